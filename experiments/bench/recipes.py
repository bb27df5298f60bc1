"""Benches that train: recipes at equal time, and progressive learning against a fixed size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.amounts import parse_seconds
from experiments.bench.contest import Contest, Entry, run_contest, summary
from experiments.bench.timing import Rows
from experiments.device import pick_device
from experiments.progress import ConsoleReporter, Reporter
from search_spaces.errors import InputError

__all__ = ["CONTESTS", "ContestOptions", "contest_bench", "refuse_contest_options"]

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
    ),
}


@dataclass(frozen=True, slots=True)
class ContestOptions:
    """Holds the options of these benches as they were given; None: not given."""

    data: str | None = None
    limit: int | None = None
    seeds: int | None = None
    keep: Path | None = None


def refuse_contest_options(bench: str, options: ContestOptions) -> None:
    """Raises `InputError` for an option that a bench does not have, or one that it lacks."""
    given = {"data": options.data, "limit": options.limit, "seeds": options.seeds,
             "keep": options.keep}  # fmt: skip
    if bench in CONTESTS:
        for name in ("data", "keep"):
            if given[name] is None:
                raise InputError(f"`nas bench {bench}` needs --{name}")
        return
    for name, value in given.items():
        if value is not None:
            places = " and ".join(f"`nas bench {bench}`" for bench in CONTESTS)
            raise InputError(f"--{name} belongs to {places}, not to `nas bench {bench}`")


def contest_bench(
    bench: str, options: ContestOptions, *, time: str | None, device: str | None, quiet: bool
) -> dict[str, Rows]:
    """Trains everyone in a contest for `time` each, and says who did how well."""
    assert options.data is not None, "refuse_contest_options sees to it"
    assert options.keep is not None
    device = device or "auto"
    contest = Contest(
        source=options.data,
        images=options.limit,
        seconds=parse_seconds(time or "10m", what="--time"),
        macs=CUDA_MACS if pick_device(device).is_cuda else CPU_MACS,
        device=device,
    )
    entries, seeds = CONTESTS[bench], options.seeds or 3
    if quiet:
        rows = run_contest(contest, entries, seeds, options.keep, Reporter())
    else:
        with ConsoleReporter() as reporter:
            rows = run_contest(contest, entries, seeds, options.keep, reporter)
    return {bench: summary(rows, entries)}
