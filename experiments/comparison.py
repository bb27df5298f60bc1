"""Whether one network is faster than another: both timed in turns, and a verdict on the ratio."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import binom

from experiments.device import Device
from experiments.latency import Work, fitting, prepare, run_time, warm_up
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

__all__ = ["Comparison", "compare", "verdict"]

ROUNDS = 12
CONFIDENCE = 0.99
TIMES_LONGER = 3  # than one network alone is timed


@dataclass(frozen=True, slots=True)
class Comparison:
    """Says how many times as fast the first network is; `low` to `high` holds it with 99%."""

    ratio: float
    low: float
    high: float
    different: bool
    n: int


def verdict(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Compares seconds measured in pairs: `first[i]` and `second[i]` beside each other in time.

    The ratio is the median of second/first. Its interval is that of the sign test: between the
    k-th smallest ratio and the k-th largest, with the largest k that leaves 1% of doubt at most;
    it asks nothing of how the ratios are distributed. The networks are different where it leaves
    out 1; fewer than eight pairs leave more than 1% of doubt, so that they never are.
    Raises `InputError` for samples that are not pairs of positive seconds.
    """
    if not first or len(first) != len(second) or not all(s > 0 for s in (*first, *second)):
        raise InputError("a comparison needs as many seconds of one network as of the other")
    ratios = sorted(b / a for a, b in zip(first, second, strict=True))
    n = len(ratios)
    allowed = int((binom.cdf(range(n), n, 0.5) <= (1 - CONFIDENCE) / 2).sum())
    left_out = max(0, allowed - 1)
    low, high = ratios[left_out], ratios[n - 1 - left_out]
    different = allowed > 0 and (low > 1 or high < 1)
    return Comparison(statistics.median(ratios), low, high, different, n)


def compare(
    first: ArchSpec,
    second: ArchSpec,
    *,
    device: Device,
    batch: int = 1,
    work: Work = "inference",
    seconds: float = 6.0,
) -> Comparison:
    """Times two networks in turns for about `seconds`, and says whether they differ.

    Each of 12 rounds builds both anew, the one first and then the other, since where a network
    lies in memory changes its speed by a few per cent; a pair is the medians of a round.
    Raises `RunError` in one line where one does not fit in the device's memory.
    """
    pairs: list[tuple[float, float]] = []
    for turn in range(ROUNDS):
        one, other = (first, second) if turn % 2 == 0 else (second, first)
        taken = _round(one, other, device=device, batch=batch, work=work, seconds=seconds / ROUNDS)
        pairs.append(taken if turn % 2 == 0 else taken[::-1])
    return verdict([a for a, _ in pairs], [b for _, b in pairs])


def _round(
    one: ArchSpec, other: ArchSpec, *, device: Device, batch: int, work: Work, seconds: float
) -> tuple[float, float]:
    """Returns the median seconds of both networks, built in this order and run in turns."""
    runs = []
    for spec in (one, other):
        with fitting(spec, device=device, batch=batch, work=work):
            runs.append(prepare(spec, device=device, batch=batch, work=work))
            warm_up(runs[-1], device, seconds=seconds / 8, fewest=1)
    samples: tuple[list[float], list[float]] = ([], [])
    end = time.perf_counter() + seconds
    while not samples[0] or time.perf_counter() < end:
        for run, taken in zip(runs, samples, strict=True):
            taken.append(run_time(run, device))
    return statistics.median(samples[0]), statistics.median(samples[1])
