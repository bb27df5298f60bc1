"""What a search costs beside its trainings: suggestions, duplicates, the study's storage."""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from pathlib import Path

from experiments.bench.timing import Rows
from experiments.store import RunFolder
from nas.costs import Costing
from nas.evaluation import Evaluation
from nas.objective import Objective
from nas.samplers import sampler_factory
from nas.samplers.known import known_networks
from nas.search import Budget, search
from nas.trials import TrialRecord
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec

__all__ = ["bench_loop", "time_loop"]

TRIALS, WINDOW = (100, 500, 1000), 50


def bench_loop() -> Rows:
    """Searches with the grey-box sampler and an evaluator that returns at once.

    Milliseconds a trial, wall and processor's, are means of the 50 trials up to a number, and of
    all; the median is that of the wall.
    """
    with tempfile.TemporaryDirectory() as folder:
        walls, cpus = time_loop(Path(folder), max(TRIALS))
    windows = [(slice(max(0, count - WINDOW), count), count) for count in TRIALS]
    return [_row(n, walls[w], cpus[w]) for w, n in [*windows, (slice(None), len(walls))]]


def _row(count: int, wall: list[float], cpu: list[float]) -> dict[str, object]:
    return {
        "what": f"greybox, SQLite, trial {count - len(wall) + 1} to {count}",
        "mean ms": round(statistics.fmean(wall) * 1e3, 1),
        "median ms": round(statistics.median(wall) * 1e3, 1),
        "processor ms": round(statistics.fmean(cpu) * 1e3, 1),
        "n": len(wall),
    }


def time_loop(
    folder: Path, trials: int, *, sampler: str = "greybox"
) -> tuple[list[float], list[float]]:
    """Returns the wall and processor seconds of each of `trials` networks, kept in `folder`."""
    space = make_space("mixed", image_size=32, num_classes=10)
    objective = Objective("soft", sum(space.macs_range) / 2)
    costing = Costing(space)
    walls, cpus = [time.perf_counter()], [time.process_time()]

    def note(record: TrialRecord) -> None:
        if record.duplicate_of is None:
            walls.append(time.perf_counter())
            cpus.append(time.process_time())

    search(
        RunFolder(folder).study(), space, _at_once, objective,
        sampler=sampler_factory(sampler, known=known_networks(objective, costing)),
        budget=Budget(trials), on_trial=note, costing=costing,
    )  # fmt: skip
    return _steps(walls), _steps(cpus)


def _steps(times: list[float]) -> list[float]:
    return [after - before for before, after in itertools.pairwise(times)]


def _at_once(spec: ArchSpec, *, seed: int) -> Evaluation:
    """Scores a network by its size and, as noise, its fingerprint."""
    counted = cost(spec)
    noise = int(fingerprint(spec)[:6], 16) / 0x1000000
    accuracy = 0.9 - 0.3 * (1e6 / (1e6 + counted.macs)) + 0.02 * noise
    return Evaluation(accuracy, counted.macs, counted.params, 0.0, seed)
