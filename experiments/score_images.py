"""A batch of a data set's training images, for zero-cost scores."""

from __future__ import annotations

import numpy as np
import torch

from experiments.data import ImageData
from experiments.device import Device
from experiments.tensors import Normalize, part_tensors
from nas.zero_cost import Batch
from search_spaces.errors import InputError

__all__ = ["score_batch"]


def score_batch(
    data: ImageData, count: int, *, resolution: int, device: Device, seed: int = 0
) -> Batch:
    """Draws that many training images at a resolution, normalised; raises where there are fewer."""
    if count > len(data.train):
        raise InputError(
            f"a batch of {count} images; {data.name} has {len(data.train)} to train on"
        )
    chosen = np.random.default_rng(seed).choice(data.train, count, replace=False)
    part = part_tensors(data, chosen, resolution, device)
    normalize = Normalize(data.mean, data.std).to(device.torch)
    with torch.no_grad():
        return Batch(normalize(part.images), part.labels)
