"""Searches with workers: real trainings in their processes, and what a run then holds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from optuna.trial import TrialState

from experiments.aims import Aim
from experiments.parallel import Placement
from experiments.progress import ConsoleReporter, Reporter
from experiments.search_request import HalvingRequest, SearchRequest
from experiments.search_step import run_search
from experiments.session import Session
from nas.evaluation import Evaluation
from nas.jobs import Job, JobSource
from search_spaces.cost import cost
from tests.experiments.conftest import Opener
from tests.nas.workers import Workers

SEARCH = SearchRequest(Aim(2e6), trials=6, confirm=0, epochs=1, sampler="random")


def lines(session: Session) -> int:
    return len((session.folder.path / "evaluations.jsonl").read_text().splitlines())


def table(session: Session) -> pd.DataFrame:
    rows = pd.read_parquet(session.folder.trials_path)
    return rows[rows["error"] != "interrupted"]


def in_turns(session: Session, count: int, **more: Any) -> Workers:
    """Gives workers that train nothing, and end in another order than they began."""

    def train(job: Job) -> Evaluation:
        counted = cost(job.spec)
        found = Evaluation(0.3, counted.macs, counted.params, 1.0, job.seed)
        key = session.key(job.spec, session.short_recipe(job.epochs), job.seed)
        if session.log.get(key) is None:
            session.log.add(key, found)
        return found

    return Workers(count, train, lambda job: 1.0 + job.seed % 7, **more)


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> "list[Workers]":
    """Gives a list whose last workers a search's jobs go to."""
    used: list[Workers] = []

    def run_jobs(source: JobSource, session: Session, placement: Placement) -> None:
        used[-1].run(source)
        if used[-1].killed_at is not None or used[-1].give_up_at is not None:
            raise KeyboardInterrupt

    monkeypatch.setattr("experiments.search_jobs.run_jobs", run_jobs)
    return used


def placed(session: Session) -> Session:
    return replace(session, placement=Placement(3, None, 1, 0))


def test_a_search_that_was_stopped_writes_its_table_and_goes_on(
    tmp_path: Path, open_session: Opener, use: "list[Workers]"
) -> None:
    session = placed(open_session(tmp_path / "run", SEARCH))
    for how in ("give_up_at", "killed_at"):
        use.append(in_turns(session, 3, **{how: 2}))
        with pytest.raises(KeyboardInterrupt):
            run_search(session)
    assert len(table(session)) == 4
    study = session.folder.study()
    assert not [t for t in study.trials if t.state == TrialState.RUNNING]
    use.append(in_turns(session, 3))
    run_search(session)
    rows = table(session)
    assert list(rows["state"]) == ["complete"] * 6
    assert lines(session) == 6
    assert use[-1].most == 2  # of six, four were done


def test_seeds_and_the_random_search_have_all_workers_each_in_turn(
    tmp_path: Path, open_session: Opener, use: "list[Workers]"
) -> None:
    asked = replace(SEARCH, trials=2, seeds=2, random_baseline=True)
    session = placed(open_session(tmp_path / "run", asked))
    use.append(in_turns(session, 3))
    run_search(session)
    assert use[-1].most == 2
    names = [name.rpartition(" ")[0] for name in use[-1].order]
    kinds = ["seed 0, trial", "seed 1, trial", "seed 0, random trial", "seed 1, random trial"]
    assert list(dict.fromkeys(names)) == kinds
    rows = table(session)
    assert list(rows["search_seed"]) == [0] * 2 + [1] * 2
    assert len(pd.read_parquet(session.folder.random_path)) == 4
    assert lines(session) == len(use[-1].order)


class Telling(Reporter):
    """Keeps what it is told that runs."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def running(self, text: str) -> None:
        self.texts.append(text)


def test_all_that_runs_is_shown(tmp_path: Path, open_session: Opener, use: "list[Workers]") -> None:
    reporter = Telling()
    session = placed(open_session(tmp_path / "run", SEARCH))
    shown = replace(session, reporter=reporter)
    use.append(in_turns(session, 3))
    run_search(shown)
    assert "3 at once: trial 0, trial 1, trial 2" in reporter.texts


HALVED = [
    ("epochs", 2), pytest.param("data", 3, marks=pytest.mark.slow),
]  # fmt: skip


@pytest.mark.parametrize(("over", "reduction"), HALVED)
def test_workers_halve_as_this_process_does(
    over: str, reduction: int, tmp_path: Path, open_session: Opener, two: Placement
) -> None:
    asked = replace(SEARCH, trials=4, epochs=2, halving=HalvingRequest(over, 2, reduction))
    session = open_session(tmp_path / "run", asked, limit=400, batch_size=32)
    with session.folder.timed("search"):
        run_search(replace(session, placement=two, reporter=ConsoleReporter()))
    rows = table(session)
    left, whole = rows[rows["state"] == "pruned"], rows[rows["state"] == "complete"]
    assert len(left) + len(whole) == 4
    assert (left["rung"] == 1).all()
    assert (whole["rung"] == 2).all()
    assert list(whole["accuracy"]) == list(whole["rung_accuracy"])
    assert (rows["seconds"] > 0).all()
    log = (session.folder.path / "evaluations.jsonl").read_text()
    kept = [json.loads(line) for line in log.splitlines()]
    trained = {each["evaluation"]["accuracy"] for each in kept}
    assert set(whole["accuracy"]) <= trained
    if over == "data":
        assert set(left["rung_accuracy"]) <= trained
        assert len(kept) == 4 + len(whole)
    ledger = session.folder.ledger()["search"]
    assert ledger["cpu"] > 0
