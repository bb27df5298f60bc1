"""The speed of the vectorised cost model, and of drawing from a narrow window of MACs."""

from __future__ import annotations

import numpy as np

from experiments.bench.timing import Rows, time_repeats, timing_row
from search_spaces.measured import MEASURED

__all__ = ["bench_tables"]


def bench_tables() -> Rows:
    """Times the vectorised cost model, and draws from a window of one network in a million."""
    rng = np.random.default_rng(0)
    space = MEASURED["accel_nasbench"].make()
    encoded = space.sample_encoded(rng, 1_000_000)
    macs = np.sort(space.tables.count(encoded)[0])
    window = space.window(macs[500_000], macs[500_001])
    counting = time_repeats(lambda: _count(encoded[:100_000]), 10)
    drawing = time_repeats(lambda: window.sample(rng, 1_000), 10)
    return [
        timing_row("count 100,000 of accel_nasbench", counting),
        timing_row("draw 1,000 from a millionth", drawing),
    ]


def _count(encoded: np.ndarray) -> None:
    MEASURED["accel_nasbench"].make().tables.count(encoded)  # the tables are made each time
