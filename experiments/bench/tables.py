"""The speed of the vectorised cost model, of coding, and of draws from narrow windows of MACs."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from experiments.bench.timing import Rows, time_repeats, timing_row
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space

__all__ = ["bench_tables"]


def bench_tables() -> Rows:
    """Times the vectorised cost model, coding, and draws from windows of one network in a million.

    The large windows lie at the median MACs of their space, on the skeleton for 224×224.
    """
    rng = np.random.default_rng(0)
    space = MEASURED["accel_nasbench"].make()
    encoded = space.sample_encoded(rng, 100_000)
    mixed = make_space("mixed", image_size=224, num_classes=1000)
    rows = mixed.sample_encoded(rng, 10_000)
    mixed.decode_many(rows)  # the stages of its combinations are made once
    return [
        _rate("count", "accel_nasbench", 100_000, lambda: _count(encoded)),
        _rate("decode", "mixed", 10_000, lambda: mixed.decode_many(rows)),
        *_window_rows(space),
        *_window_rows(mixed),
        *_window_rows(make_space("mbconv", image_size=224, num_classes=1000)),
    ]


def _window_rows(space: SearchSpace) -> Rows:
    """Times the window that holds a millionth of a space around its median MACs, and draws."""
    rng = np.random.default_rng(0)
    macs = np.sort(space.tables.count(space.sample_encoded(rng, 200_000))[0])
    low = int(macs[100_000])
    high = low + int((macs[101_000] - macs[99_000]) / 0.01 * 1e-6)
    window = space.window(low, high)
    name = f"a millionth of {space.name}"
    seconds = time_repeats(partial(space.window, low, high), 3)
    made = timing_row(f"set up {name}", seconds, specs_per_s=None)
    return [made, _rate("draw", name, 10_000, lambda: window.sample(rng, 10_000))]


def _rate(work: str, name: str, count: int, times: Callable[[], object]) -> dict[str, Any]:
    seconds = time_repeats(times, 5)
    rate = round(count / statistics.median(seconds))
    return timing_row(f"{work} {count:,} of {name}", seconds, specs_per_s=rate)


def _count(encoded: np.ndarray) -> None:
    MEASURED["accel_nasbench"].make().tables.count(encoded)  # the tables are made each time
