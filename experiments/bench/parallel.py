"""Workers side by side: what several save against one, and what a trial costs beside its training.

Both are timed from when all workers are warm: each has trained before, so that its process, its
imports and its data are there.
"""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from experiments.bench.timing import Rows
from experiments.bench.warming import Listed, Warmed, Warming
from experiments.parallel import Placement, prepared, run_jobs
from experiments.parallel.cluster import disconnecting
from experiments.parallel.work import Place, Report, Work
from experiments.prepare import DataRequest, start
from experiments.progress import Reporter
from experiments.search_request import SearchRequest
from experiments.search_step import typical_spec
from experiments.session import Session
from experiments.space_files import space_of
from experiments.store import RunFolder
from nas.asking import Asking
from nas.costs import Costing
from nas.evaluation import Evaluation
from nas.jobs import Job, JobSource
from nas.objective import Objective
from nas.plan import Plan
from nas.samplers import sampler_factory
from nas.samplers.known import known_networks
from nas.suggesting import Suggesting
from nas.tally import Budget
from search_spaces.spec import ArchSpec

__all__ = ["ParallelBench", "bench_parallel"]

CALIBRATED = 3  # epochs


@dataclass(frozen=True, slots=True)
class ParallelBench:
    """Says what is trained: `jobs` of about `seconds` each, then a search of `trials`.

    All is done `repeats` times, by one worker and by `workers` in turns, each with one core.
    """

    data: DataRequest
    search: SearchRequest
    seconds: float = 20.0
    jobs: int = 8
    trials: int = 40
    workers: int = 2
    repeats: int = 3


@dataclass(frozen=True, slots=True)
class _WarmUp:
    """Trains, and tells as its seed in which process."""

    training: Work

    def run(self, place: Place, report: Report) -> Evaluation:
        """Trains, as `Work` says."""
        return replace(self.training.run(place, report), seed=os.getpid())


def bench_parallel(asked: ParallelBench, reporter: Reporter) -> Rows:
    """Times one worker against several on like trainings, then a search with several."""
    reporter.plan(asked.repeats * 3)
    with (
        tempfile.TemporaryDirectory() as folder,
        disconnecting(),
        start(asked.data, RunFolder(Path(folder) / "run"), Reporter(), asked.search) as session,
    ):
        bench = _Bench(asked, session, typical_spec(session), itertools.count())
        epochs = bench.epochs()
        one, several, searches = list[Warmed](), list[Warmed](), list[Warmed]()
        for _ in range(asked.repeats):
            for workers, walls in ((1, one), (asked.workers, several)):
                walls.append(bench.timed(workers, Listed(bench.jobs(asked.jobs, epochs))))
                wall = walls[-1].wall
                reporter.done(1, f"{asked.jobs} trainings, {workers} at once: {wall:.1f}s")
            searches.append(bench.timed(asked.workers, bench.search(len(searches))))
            more = searches[-1].overhead(asked.workers)
            reporter.done(1, f"a trial of a search beside its training: {more:.3f}s")
    return _rows(asked, one, several, searches)


@dataclass(frozen=True, slots=True)
class _Bench:
    """Makes and times trainings of one session; no two have the same seed."""

    asked: ParallelBench
    session: Session
    spec: ArchSpec
    seeds: Iterator[int]

    def jobs(self, count: int, epochs: int) -> list[Job]:
        """Returns trainings of one network."""
        numbers = [next(self.seeds) for _ in range(count)]
        return [Job(f"training {number}", self.spec, number, epochs) for number in numbers]

    def warm_up(self, number: int, placement: Placement) -> Job:
        """Returns a short training that says where it ran."""
        job = Job(f"warm-up {number}", self.spec, next(self.seeds), 1)
        made = prepared(self.session, job, placement)
        return replace(made, work=_WarmUp(made.work), is_logged=False)

    def timed(self, workers: int, source: JobSource) -> Warmed:
        """Trains what a source wants with so many workers."""
        placement = Placement(workers, None, cpus=1.0, gpus=0.0)
        warmed = Warmed(Warming(lambda number: self.warm_up(number, placement), workers), source)
        run_jobs(warmed, self.session, placement)
        return warmed

    def epochs(self) -> int:
        """Returns how many epochs take about as long as is asked for."""
        found = self.timed(1, Listed(self.jobs(1, CALIBRATED)))
        return max(1, round(self.asked.seconds * CALIBRATED / found.seconds[0]))

    def search(self, number: int) -> Asking:
        """Returns a search of the session's space, in a study of its own."""
        config = self.session.config.search
        assert config is not None
        space = space_of(config, num_classes=self.session.data.num_classes)
        costing = Costing(space)
        goal = Objective(config.objective, config.target, config.exponent)
        sampler = sampler_factory(config.sampler, known=known_networks(goal, costing))
        study = self.session.folder.study(f"bench-{number}")
        suggesting = Suggesting(study, costing, goal, sampler, seed=1000 + number, ceiling=None)
        plan = Plan(config.epochs)
        return Asking(suggesting, goal, budget=Budget(self.asked.trials), plan=plan)


def _rows(
    asked: ParallelBench, one: list[Warmed], several: list[Warmed], searches: list[Warmed]
) -> Rows:
    length = statistics.median(second for each in one for second in each.seconds)
    what = f"{asked.jobs} trainings of {length:.1f} s"
    ratios = [a.wall / b.wall for a, b in zip(one, several, strict=True)]
    trial = statistics.median(second for each in searches for second in each.seconds)
    return [
        _row(f"{what}, 1 at once: s", [each.wall for each in one]),
        _row(f"{what}, {asked.workers} at once: s", [each.wall for each in several]),
        _row(f"times as fast, {asked.workers} at once", ratios),
        _row(
            f"beside its training, of {trial:.1f} s, a trial of {asked.trials} by "
            f"{asked.search.sampler}, {asked.workers} at once: s",
            [each.overhead(asked.workers) for each in searches],
        ),
    ]


def _row(what: str, values: Sequence[float]) -> dict[str, object]:
    return {
        "what": what,
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
        "n": len(values),
    }
