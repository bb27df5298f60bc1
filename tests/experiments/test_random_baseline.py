"""A random search of the same budget beside a run's own: kept apart, and shown."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from experiments.aims import Aim
from experiments.progress import Reporter
from experiments.random_baseline import random_comparison, random_text
from experiments.report.contents import read_contents
from experiments.report.figures import progress_figure
from experiments.search_request import SearchRequest
from experiments.search_step import run_search, search_work
from experiments.session import Session
from nas.evaluation import Evaluation
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.spec import ArchSpec
from tests.conftest import Caller
from tests.experiments.conftest import Opener

SEARCH = SearchRequest(
    Aim(2e6), trials=4, confirm=0, epochs=1, sampler="random", random_baseline=True
)
FOUR = """
name = "four"
[skeleton]
resolution = 8
stem_ch = 8
stem_stride = 1
head_ch = 32
stages = ["ir_r1_k3_s1_e2_c8", "ir_r1_k3_s2_e2_c16_se0.25"]
[options]
kernel = [3, 5]
"""


class Scored:
    """Scores networks by their fingerprints, and stops the process before a call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> None:
        self.calls = 0

        def evaluate(
            session: Session, spec: ArchSpec, *, seed: int, epochs: int, **_: object
        ) -> Evaluation:
            if self.calls == stop_at:
                raise KeyboardInterrupt
            self.calls += 1
            counted = cost(spec)
            accuracy = 0.5 + int(fingerprint(spec)[:4], 16) / 0x20000
            return Evaluation(accuracy, counted.macs, counted.params, 1.0, seed, epochs)

        monkeypatch.setattr(Session, "evaluate", evaluate)


def test_a_random_search_follows_in_tables_of_its_own(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = Scored(monkeypatch)
    session = open_session(tmp_path / "run", SEARCH)
    assert search_work(session) == 2 * search_work(
        open_session(tmp_path / "other", replace(SEARCH, random_baseline=False))
    )
    run_search(session)
    assert scored.calls == 8
    found = pd.read_parquet(session.folder.trials_path)
    drawn = pd.read_parquet(session.folder.random_path)
    assert len(found) == len(drawn) == 4
    assert not set(found["fingerprint"]) & set(drawn["fingerprint"]), "it draws by other seeds"
    compared = random_comparison(session.folder)
    assert compared is not None
    assert compared["search"]["reward"] == found["reward"].max()
    assert compared["random"]["reward"] == drawn["reward"].max()
    assert compared["random"]["networks"] == 4
    assert f"same budget {drawn['reward'].max():.4f} in 4" in random_text(compared)
    traces = {t.name: t for t in progress_figure(read_contents(session.folder)).data}
    best = traces["random search: best so far"].y
    assert list(best) == list(drawn["reward"].cummax())


def test_a_random_search_that_was_stopped_goes_on(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scored(monkeypatch)
    whole = open_session(tmp_path / "whole", SEARCH)
    run_search(whole)
    scored = Scored(monkeypatch, stop_at=6)
    session = open_session(tmp_path / "run", SEARCH)
    with pytest.raises(KeyboardInterrupt):
        run_search(session)
    assert session.folder.best_path.is_file(), "what the search found is safe before"
    assert scored.calls == 6
    scored = Scored(monkeypatch)
    run_search(session)
    assert scored.calls == 2
    columns = ["fingerprint", "reward"]
    went_on = pd.read_parquet(session.folder.random_path).dropna(subset=["reward"])
    wanted = pd.read_parquet(whole.folder.random_path)
    assert went_on[columns].to_numpy().tolist() == wanted[columns].to_numpy().tolist()


def test_without_a_random_search_nothing_is_said_of_one(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    Scored(monkeypatch)
    session = open_session(tmp_path / "run", replace(SEARCH, random_baseline=False))
    run_search(session)
    assert random_comparison(session.folder) is None
    names = [trace.name for trace in progress_figure(read_contents(session.folder)).data]
    assert names == ["reward", "best so far"]


def test_the_command_trains_no_network_twice(call: Caller) -> None:
    Path("four.toml").write_text(FOUR)
    words = (
        *("search", "--data", "digits", "--limit", 200, "--space", "four.toml", "--trials", 9),
        *(
            "--search-epochs",
            1,
            "--confirm",
            0,
            "--target-macs",
            "70k",
            "--random-baseline",
            "--sampler",
            "random",
        ),
        *("--device", "cpu", "--out", "run"),
    )
    done = call(*words, "--json")
    assert done.status == 0, done.err
    assert len(Path("run/evaluations.jsonl").read_text().splitlines()) == 4
    compared = done.document["compared"]
    assert compared["search"]["networks"] == compared["random"]["networks"] == 4
    assert compared["search"]["reward"] == compared["random"]["reward"]
    shown = call(*words)
    assert "random search of the same budget" in shown.out


def test_the_display_counts_the_front(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Reporter, "best", lambda _, text: said.append(text))
    Scored(monkeypatch)
    session = open_session(tmp_path / "run", replace(SEARCH, trials=8, random_baseline=False))
    run_search(session)
    front = len(read_contents(session.folder).front)
    assert said[0].endswith("(trial 0); 1 network on the front")
    assert len(said) == 8
    assert said[-1].endswith(f"; {front} networks on the front")
