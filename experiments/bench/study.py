"""How long a study of very many trials takes to open, to ask and to report, and in what memory."""

from __future__ import annotations

import multiprocessing
import resource
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import RDBStorage
from optuna.study import Study

from experiments.addresses import Address
from experiments.aims import read_aim
from experiments.bench.study_making import drop_study, fill_study
from experiments.bench.timing import Rows
from experiments.config import SearchConfig
from experiments.goals import goal_of
from experiments.prepare import DataRequest, start
from experiments.progress import Reporter
from experiments.report import report_document
from experiments.search_request import SearchRequest
from experiments.search_results import front_of_trials, trial_rows, write_search
from experiments.space_files import space_of
from experiments.storages import file_database, open_database
from experiments.store import RunFolder
from nas.confirmation import Confirmed
from nas.costs import Costing
from nas.objective import Goal, Objective
from nas.samplers import sampler_factory
from nas.samplers.known import known_networks
from nas.search import derive_seed
from nas.trials import TrialRecord, records
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace

__all__ = ["SAMPLERS", "StudyBench", "bench_study"]

SAMPLERS = ("greybox", "tpe")
ASKS = 20  # after the first, in which a process reads and describes what there is


@dataclass(frozen=True, slots=True)
class StudyBench:
    """Says how many trials the study has and where it is; None: in a file of its folder."""

    trials: int = 20_000
    storage: Address | None = None

    def __post_init__(self) -> None:
        if self.storage is not None and self.storage.scheme == "grpc":
            raise InputError("--storage: the bench writes into the database itself; give that")


@dataclass(frozen=True, slots=True)
class _Run:
    """Holds a run folder, opened as a process of its own opens it."""

    path: Path
    storage: Address | None

    @property
    def folder(self) -> RunFolder:
        folder = RunFolder(self.path)
        folder.studies.placed(self.storage)
        return folder

    @property
    def asked(self) -> SearchConfig:
        asked = RunFolder(self.path).read().search
        assert asked is not None
        return asked

    @property
    def space(self) -> SearchSpace:
        return space_of(self.asked, num_classes=len(RunFolder(self.path).read().data.classes))


def bench_study(bench: StudyBench, reporter: Reporter) -> Rows:
    """Makes up a study, measures each of its uses in a fresh process, and removes it again."""
    reporter.plan(4)
    works: dict[str, Callable[[_Run], list[float]]] = {"open": _open, "report": _report}
    with _made(bench, reporter) as run:
        rows = [_row(name, bench, *_apart(work, run)) for name, work in works.items()]
        reporter.done(2, "opened and reported")
        for name in SAMPLERS:
            rows.append(_row(f"ask {name}", bench, *_apart(_ask, run, name)))
            reporter.done(1, f"asked {name}")
    return rows


def _row(what: str, bench: StudyBench, seconds: list[float], peak: float) -> dict[str, Any]:
    return {
        "what": what,
        "storage": bench.storage.scheme if bench.storage else "sqlite",
        "trials": bench.trials,
        "median ms": round(statistics.median(seconds) * 1e3, 1),
        "95% ms": round(float(np.percentile(seconds, 95)) * 1e3, 1),
        "n": len(seconds),
        "peak MiB": round(peak),
    }


@contextmanager
def _made(bench: StudyBench, reporter: Reporter) -> Iterator[_Run]:
    """Makes a run folder whose search has had all of its trials."""
    with TemporaryDirectory(prefix="nas-study-") as room:
        run = _Run(Path(room) / "run", bench.storage)
        aim = read_aim("2M", objective="soft")
        request = SearchRequest(aim, trials=bench.trials, storage=bench.storage)
        with start(DataRequest("digits"), RunFolder(run.path), Reporter(), request) as session:
            folder = session.folder
            study, goal = folder.study(), goal_of(run.asked, None)
        database = open_database(run.storage) if run.storage else file_database(folder.study_path)
        try:
            _fill(study, database, run, goal, bench.trials)
            reporter.note(f"made a study of {bench.trials:,} trials")
            _write(folder, records(study, run.space))
            yield run
        finally:
            drop_study(study, database.engine)


def _fill(study: Study, database: RDBStorage, run: _Run, goal: Goal, trials: int) -> None:
    assert isinstance(goal, Objective)
    fill_study(study, database.engine, Costing(run.space), goal, trials=trials)


def _write(folder: RunFolder, trials: list[TrialRecord]) -> None:
    """Writes what a search leaves behind when it ends, but for confirming trainings."""
    folder.write_table(folder.trials_path, trial_rows(trials))
    best = max(trials, key=lambda trial: trial.reward or 0.0)
    assert best.evaluation is not None
    write_search(
        folder,
        best.spec,
        Confirmed(best, (best.evaluation,), (best.reward or 0.0,)),
        front_of_trials(trials),
    )


def _apart(work: Callable[..., list[float]], *arguments: Any) -> tuple[list[float], float]:
    """Does work in a process of its own; returns its seconds, and the most memory it held (MiB)."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_measured, work, *arguments).result()


def _measured(work: Callable[..., list[float]], *arguments: Any) -> tuple[list[float], float]:
    seconds = work(*arguments)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _open(run: _Run) -> list[float]:
    """Opens the run as a search that goes on does, to the last trial read back."""
    space = run.space
    return [_timed(lambda: records(run.folder.study(), space))]


def _report(run: _Run) -> list[float]:
    return [_timed(lambda: report_document(run.folder))]


def _ask(run: _Run, sampler: str) -> list[float]:
    """Asks for trial after trial, and tells a result of each; only asking counts."""
    study, space = run.folder.study(), run.space
    goal, costing = goal_of(run.asked, None), Costing(space)
    make = sampler_factory(sampler, known=known_networks(goal, costing))
    asked: dict[str, BaseDistribution] = {
        choice.name: CategoricalDistribution(choice.options) for choice in space.choices
    }
    seconds = []
    for number in range(ASKS + 1):
        begin = time.perf_counter()
        study.sampler = make(derive_seed(0, "sampler", number))
        trial = study.ask(asked)
        seconds.append(time.perf_counter() - begin)
        costs, _ = costing.of(space.decode(trial.params))
        trial.set_user_attr("costs", costs)
        study.tell(trial, goal.told(goal.reward(0.7, costs), 0.7, costs))
    return seconds[1:]
