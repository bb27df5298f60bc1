"""How many images of a part a network classifies rightly."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from experiments.device import Device
from experiments.feeds import Feed
from experiments.tensors import Normalize
from experiments.training.share import ALONE, Share
from search_spaces.errors import RunError

__all__ = ["accuracy"]

EVAL_BATCH = 512


@torch.inference_mode()
def accuracy(
    network: nn.Module,
    feed: Feed,
    normalize: Normalize,
    device: Device,
    *,
    resolution: int,
    share: Share = ALONE,
) -> float:
    """Returns the share of a feed's images that the network, in eval mode, classifies rightly.

    Of several ranks each has a feed of its own, and all get the share of all images. A GPU that
    runs out of memory gets smaller batches.
    """
    network.eval()
    size = EVAL_BATCH
    while True:
        try:
            right = _count_right(network, feed, normalize, device, resolution, size)
            counted = share.sum(torch.stack([right, torch.full_like(right, len(feed))]))
            return int(counted[0]) / max(1, int(counted[1]))
        except torch.OutOfMemoryError:
            if size == 1:
                raise RunError("the GPU's memory does not hold one image of this network") from None
        size //= 2
        torch.cuda.empty_cache()


def _count_right(
    network: nn.Module,
    feed: Feed,
    normalize: Normalize,
    device: Device,
    resolution: int,
    size: int,
) -> Tensor:
    right = torch.zeros((), device=device.torch, dtype=torch.int64)
    for images, labels in feed.batches(size, resolution=resolution):
        with device.autocast():
            logits = network(normalize(images))
        right += (logits.argmax(1) == labels).sum()
    return right
