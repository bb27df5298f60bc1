"""Which channels of a smaller network the channels of a larger one copy.

A choice is a tensor with a base channel for each of the member's channels. A wider one begins with
all the base's channels in order; the rest are copies.
"""

from __future__ import annotations

import torch
from torch import Tensor

from search_spaces.spec import BlockSpec

__all__ = ["choose_channels", "pool_fits", "pooled_channels", "shared_out"]


def choose_channels(importance: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Returns which of the base's channels each of `count` channels copies.

    Where there are more of them than `importance` has, every channel is there and random ones are
    again, none much more often than another; where there are fewer, the most important ones.
    """
    base = len(importance)
    if count < base:
        return importance.topk(count).indices.sort().values
    copies = [torch.arange(base)]
    while sum(map(len, copies)) < count:
        copies.append(torch.randperm(base, generator=generator))
    return torch.cat(copies)[:count]


def shared_out(weight: Tensor, channels: Tensor, generator: torch.Generator) -> Tensor:
    """Returns weights (out, base's in, …) as (out, member's in, …), for an input of copies.

    Every output takes a channel's weight in random shares from its copies, which add up to all of
    it: the sum is the same, and copies get gradients that differ, so they do not stay alike.
    """
    drawn = 1 - torch.rand(len(weight), len(channels), generator=generator)  # never 0
    whole = torch.zeros(weight.shape[:2]).index_add_(1, channels, drawn)
    share = (drawn / whole[:, channels]).to(weight.dtype)
    return weight[:, channels] * share.reshape(*share.shape, *(1,) * (weight.ndim - 2))


def pool_fits(base: BlockSpec, member: BlockSpec) -> bool:
    """Tells whether a pooled shortcut can bring copies of channels to where their sums are copied.

    It adds its input's channels in order, and zeros or nothing beyond them: copies of the channels
    that get something must stand where something is added.
    """
    missing, extra = base.out_ch - base.in_ch, member.out_ch - member.in_ch
    if missing > 0:
        return extra >= missing
    return (
        member.out_ch == base.out_ch if missing < 0 else base.out_ch <= member.out_ch and not extra
    )


def pooled_channels(
    base: BlockSpec, member: BlockSpec, inputs: Tensor, generator: torch.Generator
) -> Tensor:
    """Returns the outputs' channels of a block with a pooled shortcut that fits."""
    kept, added = inputs[: member.out_ch], member.out_ch - len(inputs)
    if added <= 0:
        return kept
    missing = torch.ones(base.out_ch - base.in_ch)
    return torch.cat([kept, base.in_ch + choose_channels(missing, added, generator)])
