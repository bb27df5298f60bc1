"""Images as tensors: resized once to a resolution, normalised by batch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from experiments.data import ImageData
from experiments.device import Device

__all__ = ["Normalize", "PartTensors", "batches", "part_tensors", "resized"]

RESIZE_CHUNK = 4096
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class PartTensors:
    """Holds one part of the data on a device: uint8 images (N, 3, R, R), int64 labels (N,)."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


def part_tensors(
    data: ImageData, indices: np.ndarray, resolution: int, device: Device
) -> PartTensors:
    """Returns the images at `indices`, resized (bicubic, antialiased) to `resolution` pixels."""
    chunks = [
        resized(
            torch.from_numpy(data.images[indices[i : i + RESIZE_CHUNK]]).to(device.torch),
            resolution,
        )
        for i in range(0, len(indices), RESIZE_CHUNK)
    ]
    labels = torch.from_numpy(data.labels[indices])
    return PartTensors(torch.cat(chunks), labels.to(device.torch))


def resized(images: Tensor, resolution: int) -> Tensor:
    """Returns uint8 images (N, S, S, 3) as (N, 3, R, R): each by itself, whatever the batch."""
    planes = images.permute(0, 3, 1, 2)
    if images.shape[1] == resolution:
        return planes.contiguous()
    resized = nn.functional.interpolate(
        planes.float(), size=(resolution, resolution), mode="bicubic", antialias=True
    )
    return resized.round_().clamp_(0, 255).to(torch.uint8)


class Normalize(nn.Module):
    """Turns uint8 (N, 3, H, W) into float32: `mean` taken out, divided by `std` (of [0, 1])."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Triple, std: Triple) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255)

    def forward(self, images: Tensor) -> Tensor:
        """Returns float32 (N, 3, H, W), channels_last."""
        out: Tensor = (images.float() - self.mean) / self.std
        return out.contiguous(memory_format=torch.channels_last)


def batches(
    part: PartTensors, size: int, order: Tensor | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields batches of images and labels, those of `order` (M,) if given, else all as they lie.

    With an order, a last batch smaller than `size` is left out, as training needs.
    """
    count = len(part) if order is None else len(order)
    stop = count - count % size if order is not None else count
    for start in range(0, stop, size):
        if order is None:
            chosen: Tensor | slice = slice(start, start + size)
        else:
            chosen = order[start : start + size].to(part.labels.device)
        yield part.images[chosen], part.labels[chosen]
