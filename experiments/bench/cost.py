"""The cost model's speed beside building the network and counting it with fvcore."""

from __future__ import annotations

import warnings

import torch

from experiments.bench.timing import Rows, time_repeats, timing_row
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.network import build

__all__ = ["bench_cost"]


def _fvcore_macs(network: torch.nn.Module, images: torch.Tensor) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis  # noqa: PLC0415 (warns when imported)

        analysis = FlopCountAnalysis(network, images)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counted = analysis.by_operator()
    return int(counted["conv"] + counted["linear"])


def bench_cost() -> Rows:
    """Times the cost model against building EfficientNet-B0 and counting it with fvcore."""
    spec = catalog_spec("efficientnet_b0")
    images = torch.zeros(1, 3, spec.resolution, spec.resolution)
    network = build(spec).eval()
    ours, theirs = cost(spec).macs, _fvcore_macs(network, images)
    return [
        timing_row("cost(efficientnet_b0)", time_repeats(lambda: cost(spec), 200), macs=ours),
        timing_row(
            "fvcore, network built",
            time_repeats(lambda: _fvcore_macs(network, images), 5),
            macs=theirs,
        ),
        timing_row("building the network", time_repeats(lambda: build(spec), 5), macs=0),
    ]
