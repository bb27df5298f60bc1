"""The images that networks are scored with, and the layers that scores look at."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor, nn

from search_spaces.errors import InputError

__all__ = ["FEWEST_IMAGES", "Batch", "scoring_copy", "weighted_layers"]

FEWEST_IMAGES = 4  # ZiCo halves them, and BatchNorm needs two images in a half
NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Holds normalised images, float32 (N, C, H, W), and int64 labels (N,), on one device.

    Raises `InputError` for fewer than four images or labels that are not theirs.
    """

    images: Tensor
    labels: Tensor

    def __post_init__(self) -> None:
        count = len(self.images)
        if count < FEWEST_IMAGES:
            raise InputError(f"a batch of {count} images; scores need at least {FEWEST_IMAGES}")
        if len(self.labels) != count:
            raise InputError(f"{count} images have {len(self.labels)} labels; one each is right")


def scoring_copy(network: NetworkT) -> NetworkT:
    """Returns a copy in which only BatchNorm trains: it normalises by the batch's own statistics.

    Nothing in it is random, dropout and stochastic depth being off, and neither are our compiled
    kernels in use, which are for training. The network itself stays as it was.
    """
    copied = copy.deepcopy(network).eval()
    for module in copied.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()
    return copied


def weighted_layers(network: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    """Lists the convolutions and linear layers, those of squeeze-excite included."""
    return [layer for layer in network.modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
