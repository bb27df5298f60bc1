"""Benches that train: recipes at equal time, and progressive learning against a fixed size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.amounts import parse_seconds
from experiments.bench.contest import Contest, Entry, run_contest, summary
from experiments.bench.timing import Rows
from experiments.device import pick_device
from experiments.progress import Reporter

__all__ = ["CONTESTS", "bench_contest", "make_contest"]

CPU_MACS, CUDA_MACS = 5e6, 50e6

_PLAIN = {
    "lr": 0.1, "batch_size": 128, "warmup": 0.0, "label_smoothing": 0.0,
    "zero_init_residual": False, "shift": 0.125,  # 4 of 32 pixels, as is usual
}  # fmt: skip
_GROWING: dict[str, Any] = {"stages": 4, "start_resolution": 0.5, "progressive_batch": False}

CONTESTS: Mapping[str, Sequence[Entry]] = {
    "recipes": (
        Entry("fast", "fast"),
        Entry("plain SGD, cosine", "fast", _PLAIN),
        Entry("efficientnet", "efficientnet"),
    ),
    "progressive": (
        Entry("fast", "fast"),  # the same as above, so that one file serves both benches
        Entry("fast, growing images", "fast", _GROWING, like="fast"),
        Entry("growing, 1.2 × the epochs", "fast", _GROWING, like="fast", share=1.2),
    ),
}


def make_contest(source: str, *, limit: int | None, time: str, device: str) -> Contest:
    """Returns what everyone trains on, for how long, and at how many MACs on such a device."""
    return Contest(
        source=source,
        images=limit,
        seconds=parse_seconds(time, what="--time"),
        macs=CUDA_MACS if pick_device(device).is_cuda else CPU_MACS,
        device=device,
    )


def bench_contest(
    name: str, contest: Contest, *, seeds: int, keep: Path, reporter: Reporter
) -> Rows:
    """Trains everyone in a contest with so many seeds, and says who did how well."""
    entries = CONTESTS[name]
    return summary(run_contest(contest, entries, seeds, keep, reporter), entries)
