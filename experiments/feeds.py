"""Where batches of images come from: kept on the device, or decoded on the way by loaders."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
import psutil
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from experiments.data import ImageData
from experiments.device import Device
from experiments.tensors import PartTensors, batches, part_tensors, resized
from search_spaces.errors import InputError

__all__ = ["Feed", "ResidentFeed", "StreamFeed", "default_loaders", "open_feed"]

MEMORY_SHARE = 0.4  # of what is free, that images may take; the rest is the training's
MOST_LOADERS = 8

Batches = Iterator[tuple[Tensor, Tensor]]


class Feed(Protocol):
    """Gives the images of one part of the data, as often as asked, at any resolution."""

    def __len__(self) -> int:
        """Counts the images."""
        ...

    def batches(self, size: int, *, resolution: int, order: Tensor | None = None) -> Batches:
        """Yields uint8 images (size, 3, R, R) and int64 labels (size,), on the device.

        In `order` if given, without a last batch smaller than `size`; else as they lie, all.
        """
        ...


class ResidentFeed:
    """Keeps the images on the device, resized once for each resolution that is asked for."""

    def __init__(self, data: ImageData, indices: np.ndarray, device: Device) -> None:
        self.data, self.indices, self.device = data, indices, device
        self._part: PartTensors | None = None
        self._resolution = 0

    def __len__(self) -> int:
        return len(self.indices)

    def part(self, resolution: int) -> PartTensors:
        """Returns the whole part; that of the last resolution is kept."""
        if self._part is None or self._resolution != resolution:
            self._part = None  # frees the one before there are two
            self._part = part_tensors(self.data, self.indices, resolution, self.device)
            self._resolution = resolution
        return self._part

    def batches(self, size: int, *, resolution: int, order: Tensor | None = None) -> Batches:
        """Yields batches as `Feed` says."""
        return batches(self.part(resolution), size, order)


class _Decoded(Dataset[Any]):
    """Looks batches of images up by their positions: what a worker does, and all it does."""

    def __init__(self, images: Any) -> None:
        self.images = images

    def __getitem__(self, positions: np.ndarray) -> Tensor | InputError:
        try:
            return torch.from_numpy(np.ascontiguousarray(self.images[positions]))
        except InputError as error:  # torch would put a traceback around it
            return error


class _Positions(Sampler[Any]):
    """Gives loaders the batches of the pass that is under way."""

    def __init__(self) -> None:
        self.now: list[np.ndarray] = []

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.now)

    def __len__(self) -> int:
        return len(self.now)


@contextmanager
def _quiet_loader() -> Iterator[None]:
    """Keeps torch from doubting that more loaders than cores are meant."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="This DataLoader will create")
        yield


class StreamFeed:
    """Decodes images as they are needed, in `loaders` processes beside the training.

    Nothing random happens in a worker and batches come in order, so their number changes nothing.
    Resizing is done on the device; images cross over as uint8.
    """

    def __init__(
        self, data: ImageData, indices: np.ndarray, device: Device, *, loaders: int
    ) -> None:
        self.indices, self.device = indices, device
        self.labels = torch.from_numpy(data.labels[indices]).to(device.torch)
        self._positions = _Positions()
        with _quiet_loader():
            self._loader: DataLoader[Any] = DataLoader(
                _Decoded(data.images),
                batch_size=None,
                sampler=self._positions,
                num_workers=loaders,
                pin_memory=device.is_cuda,
                persistent_workers=loaders > 0,
                generator=torch.Generator(),  # it would draw from the training's own
            )

    def __len__(self) -> int:
        return len(self.indices)

    def batches(self, size: int, *, resolution: int, order: Tensor | None = None) -> Batches:
        """Yields batches as `Feed` says; raises `InputError` naming an image not to be read."""
        count = len(self)
        stop = count if order is None else len(order) - len(order) % size
        places = torch.arange(count) if order is None else order
        parts = [places[start : min(start + size, stop)] for start in range(0, stop, size)]
        self._positions.now = [self.indices[part.numpy()] for part in parts]
        with _quiet_loader():
            decoded = iter(self._loader)
        for part, images in zip(parts, decoded, strict=True):
            if isinstance(images, InputError):
                raise images
            here = images.to(self.device.torch, non_blocking=True)
            yield resized(here, resolution), self.labels[part.to(self.device.torch)]


def default_loaders() -> int:
    """Returns how many loaders decode where nothing is said: a core each, one left to train."""
    return min(MOST_LOADERS, (os.cpu_count() or 1) - 1)


def _room(device: Device) -> int:
    """Counts the bytes that images may take on a device."""
    if device.is_cuda:
        return int(MEMORY_SHARE * torch.cuda.mem_get_info(device.torch)[0])
    return int(MEMORY_SHARE * psutil.virtual_memory().available)


def open_feed(
    data: ImageData,
    indices: np.ndarray,
    *,
    resolution: int,
    device: Device,
    loaders: int | None = None,
) -> Feed:
    """Returns the feed of a part of the data: on the device where `resolution` lets it fit."""
    fits = len(indices) * 3 * resolution**2 <= _room(device)
    if fits and not data.is_streamed:
        return ResidentFeed(data, indices, device)
    return StreamFeed(
        data, indices, device, loaders=default_loaders() if loaders is None else loaders
    )
