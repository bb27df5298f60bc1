"""Kornia's draws for a whole batch, applied to a part of it.

However many ranks share a batch out, each image is changed as if one process had them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from kornia.augmentation.container.params import ParamItem
from torch import Tensor, nn

__all__ = ["Place", "applied", "applied_in_groups"]


@dataclass(frozen=True, slots=True)
class Place:
    """Says that images `start` to `stop` are meant, of a batch of `total`."""

    start: int
    stop: int
    total: int


def applied(steps: Iterable[nn.Module], images: Tensor, place: Place | None) -> Tensor:
    """Applies kornia's changes one after another to the images (N, 3, H, W) at `place`."""
    for step in steps:
        images = step(images) if place is None else _applied(step, images, place)
    return images


def applied_in_groups(
    policy: nn.Module, images: Tensor, groups: int, place: Place | None
) -> Tensor:
    """Applies a policy to groups of a batch, for each of which it draws its operations anew."""
    if place is None:
        return torch.cat([policy(part) for part in images.chunk(groups)])
    size = -(-place.total // groups)  # as torch.chunk divides
    parts = []
    for first in range(0, place.total, size):
        count = min(size, place.total - first)
        start, stop = (min(max(edge - first, 0), count) for edge in (place.start, place.stop))
        offset = first - place.start
        part = images[max(start + offset, 0) : max(stop + offset, 0)]
        parts.append(_applied(policy, part, Place(start, stop, count)))
    return torch.cat(parts)


def _applied(module: Any, images: Tensor, place: Place) -> Tensor:
    """Draws for the whole batch, whatever is of it here: all ranks' generators move on alike."""
    params = module.forward_parameters(torch.Size((place.total, *images.shape[1:])))
    if not len(images):
        return images
    changed: Tensor = module(images, params=_own(params, place))
    return changed


def _own(params: Any, place: Place) -> Any:
    """Returns the parameters of the images at `place`: of one operation, or a list of several."""
    if not isinstance(params, dict):
        return [ParamItem(item.name, _own(item.data, place)) for item in params]
    return {name: _rows(name, value, place) for name, value in params.items()}


def _rows(name: str, value: Any, place: Place) -> Any:
    by_image = isinstance(value, Tensor) and value.ndim > 0 and len(value) == place.total
    if not by_image or name == "forward_input_shape":
        return value
    return value[place.start : place.stop]
