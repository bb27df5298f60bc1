"""How busy many workers are kept: a search simulated with measured training times."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from experiments.bench.timing import Rows
from experiments.progress import Reporter
from experiments.studies.asking import Paced, RealStudy, measure_pace
from experiments.studies.simulation import Asker, Course, Fleet, simulate
from nas.samplers import SAMPLERS
from search_spaces.errors import InputError

__all__ = ["SimulateBench", "bench_simulate", "read_times"]

EARLY = 600  # trials that have ended: the model has become as large as it gets


@dataclass(frozen=True, slots=True)
class SimulateBench:
    """Says what is simulated: a fleet, so many trials of the `times` (seconds), and a sampler.

    Every ask is a real one with `real`; else they are timed at a few moments of such a search.
    `generation` is how many trials a synchronous search asks for at a time; no training takes
    longer than `timeout`.
    """

    fleet: Fleet
    times: Sequence[float]
    trials: int
    sampler: str = "greybox"
    generation: int | None = None
    timeout: float = math.inf
    real: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise InputError(
                f"no sampler is called {self.sampler!r}; they are {', '.join(SAMPLERS)}"
            )


def read_times(path: Path, column: str) -> list[float]:
    """Reads training times in seconds from a column of a Parquet file; those missing are left out.

    Raises `InputError` for another file or column, and for times that are not positive numbers.
    """
    import pandas as pd  # noqa: PLC0415 (heavy)

    if not path.is_file():
        raise InputError(f"{path}: there is no such file of training times")
    try:
        frame = pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: not Parquet ({str(error).splitlines()[0]})") from None
    if column not in frame:
        raise InputError(f"{path} has no column {column!r}; it has {', '.join(map(str, frame))}")
    found = pd.to_numeric(frame[column], errors="coerce").dropna()
    if not len(found) or not np.isfinite(found).all() or (found <= 0).any():
        raise InputError(f"{path}: column {column!r} must hold seconds, all of them positive")
    return [float(seconds) for seconds in found]


def bench_simulate(asked: SimulateBench, reporter: Reporter) -> Rows:
    """Simulates the search asynchronously and in generations; returns a row for each."""
    rng = np.random.default_rng(asked.seed)
    times = rng.choice(np.asarray(asked.times), asked.trials).tolist()
    generation = asked.generation or asked.fleet.workers
    modes = {"asynchronous": None, f"in generations of {generation:,}": generation}
    reporter.plan(len(modes) + (not asked.real))
    paced = None if asked.real else _paced(asked)
    if paced is not None:
        reporter.done(1, f"timed asks of {asked.sampler}")
    rows = []
    for mode, size in modes.items():
        asker: Asker = paced or RealStudy(asked.sampler, seed=asked.seed)
        course = simulate(
            asked.fleet, times, asker, generation=size, timeout=asked.timeout, seed=asked.seed
        )
        rows.append(_row(mode, course))
        reporter.done(1, f"{mode}: {rows[-1]['utilisation %']}% utilised")
    return rows


def _paced(asked: SimulateBench) -> Paced:
    """Times asks at the first trial, once all workers are busy, and later."""
    workers, last = asked.fleet.workers, asked.trials
    marks = {0, workers, workers + EARLY, (workers + last) // 2, last}
    within = sorted(mark for mark in marks if mark <= last)
    return Paced(measure_pace(asked.sampler, workers=workers, marks=within, seed=asked.seed))


def _row(mode: str, course: Course) -> dict[str, Any]:
    """Returns what came out, until the last trial was given out and to the end of all."""
    steady, whole = course.shares(course.given_out), course.shares()
    there = steady.useful + steady.lost + steady.idle
    training = [each.end - each.start for each in course.attempts if each.finished]
    late = course.asks[len(course.asks) // 2 :]
    return {
        "mode": mode,
        "workers": course.fleet.workers,
        "trials": len(training),
        "utilisation %": round(100 * steady.utilisation, 2),
        "lost %": round(100 * steady.lost / there, 2),
        "idle %": round(100 * steady.idle / there, 2),
        "utilisation % to the end": round(100 * whole.utilisation, 2),
        "hours": round(course.seconds / 3600, 2),
        "trainings lost": len(course.attempts) - len(training),
        "asks/s needed": round(course.fleet.workers / float(np.mean(training)), 3),
        "asks/s reached": round(1 / max(float(np.mean(late)), 1e-9), 2),
        "ms an ask": round(1000 * float(np.mean(late)), 1),
    }
