"""Several searches of the same budget in one run: apart, resumable, summed up."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.aims import Aim
from experiments.prepare import DataRequest, start
from experiments.progress import Reporter
from experiments.report.contents import read_contents
from experiments.report.page import page
from experiments.report.seeds_section import best_by_seed, seeds_figure
from experiments.search_request import SearchRequest
from experiments.search_results import search_document
from experiments.search_step import run_search, search_work
from experiments.seed_results import read_seeds, seeds_text
from experiments.session import Session
from experiments.store import RunFolder
from nas.evaluation import Evaluation
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from tests.conftest import TINY_SEARCH, Caller
from tests.experiments.conftest import Opener
from tests.test_cli_errors import assert_refused

SEARCH = SearchRequest(Aim(2e6), trials=2, confirm=1, epochs=1, sampler="random", seeds=3)
COLUMNS = ["trial", "fingerprint", "reward", "search_seed"]


class Scored:
    """Scores networks by fingerprint and seed, keeps the calls, stops before one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> None:
        self.calls: list[tuple[str, int]] = []

        def evaluate(
            session: Session, spec: ArchSpec, *, seed: int, epochs: int, **_: object
        ) -> Evaluation:
            if len(self.calls) == stop_at:
                raise KeyboardInterrupt
            self.calls.append((fingerprint(spec), seed))
            counted = cost(spec)
            accuracy = 0.5 + int(fingerprint(spec)[:4], 16) / 0x20000 + seed / 2**31 / 100
            return Evaluation(accuracy, counted.macs, counted.params, 1.0, seed, epochs)

        monkeypatch.setattr(Session, "evaluate", evaluate)


def table(session: Session) -> list[list[Any]]:
    """Returns what was found, without the trials that a stop cut short."""
    rows = pd.read_parquet(session.folder.trials_path).dropna(subset=["reward"])
    found: list[list[Any]] = rows[COLUMNS[1:]].to_numpy().tolist()
    return found


def test_each_seed_searches_as_it_would_alone(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = Scored(monkeypatch)
    session = open_session(tmp_path / "run", SEARCH)
    alone = open_session(tmp_path / "alone", replace(SEARCH, seeds=1))
    assert search_work(session) == 3 * search_work(alone)
    run_search(session)
    assert len(scored.calls) == 3 * (2 + 2)
    rows = pd.read_parquet(session.folder.trials_path)
    assert rows["trial"].tolist() == list(range(6))
    assert rows["search_seed"].tolist() == [seed for seed in range(3) for _ in range(2)]
    assert rows["seed"].nunique() == 6, "trainings are independent too"
    run_search(alone)
    first = pd.read_parquet(alone.folder.trials_path)
    assert "search_seed" not in first.columns
    assert first["reward"].tolist() == rows["reward"].tolist()[:2]
    assert search_document(alone.folder).keys().isdisjoint({"seeds", "over_seeds"})


def test_the_base_is_the_best_of_what_was_confirmed(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scored(monkeypatch)
    session = open_session(tmp_path / "run", replace(SEARCH, random_baseline=True))
    base = run_search(session)
    document = search_document(session.folder)
    rewards = [each["reward"] for each in document["seeds"]]
    best = document["seeds"][int(np.argmax(rewards))]
    assert document["best"]["reward"] == max(rewards)
    assert fingerprint(base) == best["fingerprint"] == document["best"]["fingerprint"]
    assert document["best"]["trial"] == best["trial"]
    over = document["over_seeds"]
    assert over == {
        "reward": pytest.approx(np.mean(rewards)),
        "deviation": pytest.approx(np.std(rewards, ddof=1)),
        "n": 3,
    }
    assert [each["trials"] for each in document["seeds"]] == [2, 2, 2]
    assert f"± {over['deviation']:.4f}" in seeds_text(document)
    drawn = pd.read_parquet(session.folder.random_path)
    assert drawn["search_seed"].tolist() == [seed for seed in range(3) for _ in range(2)]
    assert document["compared"]["random"]["networks"] == 6


def test_the_report_draws_median_and_band(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scored(monkeypatch)
    session = open_session(tmp_path / "run", replace(SEARCH, random_baseline=True))
    run_search(session)
    contents = read_contents(session.folder)
    curves = best_by_seed(contents.trials)
    rewards = pd.read_parquet(session.folder.trials_path)["reward"].to_numpy().reshape(3, 2)
    assert np.array_equal(curves, np.maximum.accumulate(rewards, axis=1))
    traces = {trace.name: list(trace.y) for trace in seeds_figure(contents).data}
    assert traces["search: median"] == np.median(curves, axis=0).tolist()
    assert traces["search: least"] == curves.min(axis=0).tolist()
    assert "random search: greatest" in traces
    assert "Search by search" in page(contents)


def test_a_search_that_was_stopped_in_the_second_seed_goes_on_there(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scored(monkeypatch)
    whole = open_session(tmp_path / "whole", SEARCH)
    run_search(whole)
    stopped = Scored(monkeypatch, stop_at=3)
    session = open_session(tmp_path / "run", SEARCH)
    with pytest.raises(KeyboardInterrupt):
        run_search(session)
    assert table(session) == table(whole)[:3], "what was found is in the table already"
    went_on = Scored(monkeypatch)
    run_search(session)
    assert len(went_on.calls) == 3 + 3 * 2
    assert set(went_on.calls).isdisjoint(stopped.calls)
    assert table(session) == table(whole)
    assert read_seeds(session.folder)["over_seeds"] == read_seeds(whole.folder)["over_seeds"]


def test_a_run_of_one_seed_goes_on_as_one_of_two(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = Scored(monkeypatch)
    session = open_session(tmp_path / "run", replace(SEARCH, seeds=1))
    run_search(session)
    found = pd.read_parquet(session.folder.trials_path)["reward"].tolist()
    asked = session.config.search
    assert asked is not None
    two = session.config.model_copy(update={"search": asked.model_copy(update={"seeds": 2})})
    calls = len(scored.calls)
    run_search(replace(session, config=two))
    rows = pd.read_parquet(session.folder.trials_path)
    assert rows["reward"].tolist()[:2] == found
    assert rows["search_seed"].tolist() == [0] * 2 + [1] * 2
    trained = [name for name, _ in scored.calls[calls:]]
    assert set(rows["fingerprint"][2:]) <= set(trained)
    run_search(session)
    assert not read_seeds(session.folder), "of one search there is nothing to sum up"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--data", "digits", "--target-macs", "2M", "--out", "x", "--seeds", 0), "--seeds"),
        (("--evaluator", "imagenet", "--target-macs", "300M", "--seeds", 2), "leave --seeds out"),
        (("--resume", "run", "--seeds", 2), "says what is searched for; leave --seeds out"),
    ],
)
def test_what_cannot_be_asked_is_refused(
    call: Caller, words: tuple[object, ...], message: str
) -> None:
    assert_refused(call("search", *words), message)
    assert not Path("x").exists()


def test_seeds_below_one_are_refused_of_python_too(tmp_path: Path) -> None:
    data, folder = DataRequest("digits", limit=200, device="cpu"), RunFolder(tmp_path / "run")
    asked = replace(SEARCH, seeds=0)
    with pytest.raises(InputError, match="seeds is 0"), start(data, folder, Reporter(), asked):
        pytest.fail("the session was opened")


def test_the_command_tells_of_each_seed(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    Scored(monkeypatch)
    words = (*TINY_SEARCH, "--seeds", 2, "--seed", 5, "--sampler", "random", "--device", "cpu")
    done = call("search", *words, "--out", "run", "--json")
    assert done.status == 0, done.err
    assert [each["seed"] for each in done.document["seeds"]] == [5, 6]
    assert all(each["seconds"] > 0 for each in done.document["seeds"])
    shown = call("search", "--resume", "run")
    assert "2 searches of the same budget: reward" in shown.out
