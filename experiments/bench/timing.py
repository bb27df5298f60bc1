"""Times work by repeating it, and states it as a row: median, deviation, number of repeats."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Rows", "time_in_turns", "time_repeats", "timing_row"]

Rows = list[dict[str, Any]]


def time_repeats(work: Callable[[], object], repeats: int) -> list[float]:
    """Returns the seconds of each of `repeats` runs, after one that is not counted."""
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def time_in_turns(
    works: Mapping[str, Callable[[], object]], repeats: int
) -> dict[str, list[float]]:
    """Returns the seconds of each work by name, taken in turns, after two that are not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(repeats + 2):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if turn >= 2:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def timing_row(name: str, seconds: list[float], **more: Any) -> dict[str, Any]:
    """Returns a row of a bench: what was timed, its median and deviation in ms, and `more`."""
    return {
        "what": name,
        "median ms": round(statistics.median(seconds) * 1e3, 4),
        "deviation ms": round(statistics.stdev(seconds) * 1e3, 4),
        "n": len(seconds),
        **more,
    }
