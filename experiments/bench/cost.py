"""The cost model's speed beside building the network and counting it with fvcore."""

from __future__ import annotations

import torch

from experiments.bench.timing import Rows, time_repeats, timing_row
from experiments.counting import count_with_fvcore
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.network import build

__all__ = ["bench_cost"]


def bench_cost() -> Rows:
    """Times the cost model against building EfficientNet-B0 and counting it with fvcore."""
    spec = catalog_spec("efficientnet_b0")
    images = torch.zeros(1, 3, spec.resolution, spec.resolution)
    network = build(spec).eval()
    ours, theirs = cost(spec).macs, count_with_fvcore(network, images).macs
    return [
        timing_row("cost(efficientnet_b0)", time_repeats(lambda: cost(spec), 200), macs=ours),
        timing_row(
            "fvcore, network built",
            time_repeats(lambda: count_with_fvcore(network, images).macs, 5),
            macs=theirs,
        ),
        timing_row("building the network", time_repeats(lambda: build(spec), 5), macs=0),
    ]
