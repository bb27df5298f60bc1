"""The speed of bringing a network to other MACs by its width, then its depth."""

from __future__ import annotations

from functools import partial

from experiments.bench.timing import Rows, time_repeats, timing_row
from scaling.fit import fit_macs
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost

__all__ = ["bench_fit"]


def bench_fit() -> Rows:
    """Times `fit_macs`: B0 to half its MACs, and MobileNetV2 to small images and 20M MACs."""
    halved = partial(fit_macs, catalog_spec("efficientnet_b0"), 193e6)
    small = partial(
        fit_macs, catalog_spec("mobilenetv2"), 20e6, resolution=32, num_classes=10, max_stride=8
    )
    return [
        timing_row(f"fit_macs({name})", time_repeats(work, 10), macs=cost(work()).macs)
        for name, work in (
            ("efficientnet_b0 to 193M", halved),
            ("mobilenetv2 at 32 pixels to 20M", small),
        )
    ]
