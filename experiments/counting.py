"""A network's multiply-adds as fvcore counts them, from a trace of the built network."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec

__all__ = ["FvcoreCount", "count_with_fvcore", "network_of_zeros", "quiet"]

# Arithmetic that fvcore passes over without a word: what it calls free, as moving memory is.
PASSED_OVER = ("aten::relu", "aten::relu_", "aten::clamp", "aten::clamp_", "aten::max")


@dataclass(frozen=True, slots=True)
class FvcoreCount:
    """Holds fvcore's counts for one image.

    `macs`: of convolutions and linear layers; `other_counted`: what it counted besides, by
    operator; `uncounted`: how often each operator ran that it cannot count.
    """

    macs: int
    other_counted: Mapping[str, int]
    uncounted: Mapping[str, int]


@contextmanager
def quiet() -> Iterator[None]:
    """Silences what torch says of fvcore's tracing, which is not the user's doing."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def network_of_zeros(spec: ArchSpec) -> Network:
    """Builds a network for counting, in eval mode, without drawing its weights."""
    with torch.device("meta"):
        network = build(spec)
    network.to_empty(device="cpu")
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.data.zero_()  # what happens to lie in memory may be slow to compute with
    return network.eval()


@torch.no_grad()
def count_with_fvcore(network: nn.Module, image: Tensor) -> FvcoreCount:
    """Counts a network in eval mode for one image (1, C, H, W); the arithmetic is really done."""
    with quiet():
        from fvcore.nn import FlopCountAnalysis  # noqa: PLC0415 (warns when imported)

        analysis = FlopCountAnalysis(network, image)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        for name in PASSED_OVER:
            analysis.set_op_handle(name, partial(_once, name))
        counted = {name: int(count) for name, count in analysis.by_operator().items()}
        uncounted = {name: int(times) for name, times in analysis.unsupported_ops().items()}
    uncounted |= {name: counted.pop(name) for name in PASSED_OVER if name in counted}
    macs = counted.pop("conv", 0) + counted.pop("linear", 0)
    return FvcoreCount(macs, counted, uncounted)


def _once(name: str, _inputs: Any, _outputs: Any) -> Counter[str]:
    return Counter({name: 1})
