"""The catalog beside what others count and compute: one row for every published network."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import nn

from experiments.bench.timing import Rows
from experiments.counting import count_with_fvcore, network_of_zeros
from experiments.references import (
    LARGE,
    LARGEST,
    SMALL,
    Reference,
    make_reference,
    randomise,
    settle,
)
from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.cost import cost
from search_spaces.foreign import load_foreign
from search_spaces.libraries import import_library
from search_spaces.network import build

__all__ = ["bench_catalog", "compare_logits"]

NetworkT = TypeVar("NetworkT", bound=nn.Module)
PAIRS = (*SMALL, *LARGE, *LARGEST)
SIDE = 64  # logits are compared at this resolution: enough for every layer to see more than edges


def bench_catalog() -> Rows:
    """Compares every entry's params, MACs and logits with torchvision, timm and fvcore.

    `params there` is the library's own count. `largest difference` is that of a logit, over all
    networks that `same as` names, with the same random weights, in eval mode, float32, at 64×64;
    `logits ±` is how far those logits deviate from image to image (the least of any network):
    logits that do not depend on the image would be equal whatever the layers do.
    """
    import_library("timm")  # says at once that it or torchvision is missing
    names = dict.fromkeys((*CATALOG, *(pair.ours for pair in PAIRS)))
    return [_row(name) for name in names]


def _row(name: str) -> dict[str, Any]:
    spec = catalog_spec(name)
    if sys.stderr.isatty():
        sys.stderr.write(f"{name}\n")
    counted = cost(spec)
    image = torch.zeros(1, spec.in_ch, spec.resolution, spec.resolution)
    theirs = count_with_fvcore(network_of_zeros(spec), image).macs
    pairs = [pair for pair in PAIRS if pair.ours == name]
    compared = [compare_logits(pair) for pair in pairs]
    return {
        "entry": name,
        "side": spec.resolution,
        "params": counted.params,
        "params there": _agreed({_params(pair) for pair in pairs}),
        "MACs": counted.macs,
        "fvcore": theirs,
        "largest difference": max((difference for difference, _ in compared), default=None),
        "logits ±": round(min(size for _, size in compared), 3) if compared else None,
        "same as": ", ".join(f"{pair.library} {pair.theirs}" for pair in pairs) or None,
    }


def _agreed(counts: set[int]) -> int | str | None:
    """Returns the one count, or all of them where the libraries disagree."""
    return counts.pop() if len(counts) == 1 else " or ".join(map(str, sorted(counts))) or None


def _params(pair: Reference) -> int:
    with torch.device("meta"):
        return sum(p.numel() for p in make_reference(pair).parameters())


@torch.no_grad()
def compare_logits(pair: Reference) -> tuple[float, float]:
    """Returns the largest difference of a logit between networks of equal weights; and their size.

    The size is how far a logit deviates from image to image, on average.
    """
    torch.manual_seed(0)
    images = torch.randn(4, 3, SIDE, SIDE)
    theirs = settle(randomise(_unfilled(partial(make_reference, pair))), images)
    ours = _unfilled(partial(build, pair.spec(SIDE)))
    load_foreign(ours, theirs.state_dict())
    one, other = ours(images), theirs(images)
    return float((one - other).abs().max()), float(one.std(0).mean())


def _unfilled(make: Callable[[], NetworkT]) -> NetworkT:
    """Builds a network in eval mode whose weights are whatever lies in memory."""
    with torch.device("meta"):
        network = make()
    return network.to_empty(device="cpu").eval()
