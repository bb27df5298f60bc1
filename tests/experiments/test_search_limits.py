"""What bounds a search: the time of a trial, and that of all trainings."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch

from experiments.aims import Aim
from experiments.search_request import SearchRequest
from experiments.search_step import run_search
from experiments.session import Session
from experiments.training.loop import StepRecord
from experiments.training_hooks import both, time_limit
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec
from tests.conftest import TINY_SEARCH, Caller
from tests.experiments.conftest import Opener

SEARCH = SearchRequest(Aim(2e6), trials=4, confirm=0, epochs=1, sampler="random")


def step(number: int) -> StepRecord:
    return StepRecord(2, number, 30, 0.1, torch.zeros(()), 1.0, 64)


def test_a_training_is_left_at_the_first_step_past_its_time() -> None:
    now, seen = iter([100.0, 119.9, 120.0]), list[int]()
    check = both(lambda record: seen.append(record.step), time_limit(20, 100, clock=now.__next__))
    check(step(1))
    check(step(2))
    with pytest.raises(RunError, match=r"timed out after 20s, in epoch 2, step 3 of 30"):
        check(step(3))
    assert seen == [1, 2, 3]


def test_what_timed_out_is_not_taken_for_finished(session: Session, tiny: ArchSpec) -> None:
    with pytest.raises(RunError, match=r"timed out after 0\.0s, in epoch 1, step 1 of"):
        session.evaluate(tiny, seed=0, epochs=1, limit=1e-9)
    assert len(session.log) == 0
    assert session.evaluate(tiny, seed=0, epochs=1, limit=1e6).epochs == 1


def test_trials_that_time_out_are_recorded_and_five_in_a_row_stop_the_search(
    tmp_path: Path, open_session: Opener
) -> None:
    session = open_session(tmp_path / "run", replace(SEARCH, trial_seconds=1e-9))
    with pytest.raises(RunError, match=r"5 trials in a row failed.*timed out after"):
        run_search(session)
    rows = pd.read_parquet(session.folder.trials_path)
    assert list(rows["state"]) == ["fail"] * 5
    assert rows["error"].str.startswith("RunError: timed out after").all()
    assert (rows["seconds"] > 0).all()


def test_a_search_goes_on_after_a_trial_that_timed_out(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = iter([1e-9, 1e6, 1e6, 1e-9, 1e6, 1e6])
    evaluate = Session.evaluate

    def hurried(self: Session, spec: ArchSpec, **more: float) -> object:
        assert more["limit"] == 5
        return evaluate(self, spec, **{**more, "limit": next(limits)})  # type: ignore[arg-type]

    monkeypatch.setattr(Session, "evaluate", hurried)
    session = open_session(tmp_path / "run", replace(SEARCH, trial_seconds=5))
    run_search(session)
    rows = pd.read_parquet(session.folder.trials_path)
    assert list(rows["state"]) == ["fail", "complete", "complete", "fail", "complete", "complete"]


def test_the_command_reads_times_and_keeps_them(call: Caller) -> None:
    words = ("search", *TINY_SEARCH, "--sampler", "random", "--out", "run", "--json")
    assert call(*words, "--train-time", "soon").status == 2
    done = call(*words, "--train-time", "0.001s", "--trial-time", "10m")
    assert done.status == 0, done.err
    assert len(pd.read_parquet("run/trials.parquet")) == 1
    asked = Path("run/run.toml").read_text()
    assert "train_seconds = 0.001" in asked
    assert "trial_seconds = 600.0" in asked
