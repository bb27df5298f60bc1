"""How many images of a part a network classifies rightly."""

from __future__ import annotations

import torch
from torch import nn

from experiments.device import Device
from experiments.feeds import Feed
from experiments.tensors import Normalize
from search_spaces.errors import RunError

__all__ = ["accuracy"]

EVAL_BATCH = 512


@torch.inference_mode()
def accuracy(
    network: nn.Module, feed: Feed, normalize: Normalize, device: Device, *, resolution: int
) -> float:
    """Returns the share of a feed's images that the network, in eval mode, classifies rightly.

    A GPU that runs out of memory gets smaller batches.
    """
    network.eval()
    size = EVAL_BATCH
    while True:
        try:
            return _share_right(network, feed, normalize, device, resolution, size)
        except torch.OutOfMemoryError:
            if size == 1:
                raise RunError("the GPU's memory does not hold one image of this network") from None
        size //= 2
        torch.cuda.empty_cache()


def _share_right(
    network: nn.Module,
    feed: Feed,
    normalize: Normalize,
    device: Device,
    resolution: int,
    size: int,
) -> float:
    right = torch.zeros((), device=device.torch, dtype=torch.int64)
    for images, labels in feed.batches(size, resolution=resolution):
        with device.autocast():
            logits = network(normalize(images))
        right += (logits.argmax(1) == labels).sum()
    return int(right) / max(1, len(feed))
