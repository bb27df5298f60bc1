"""`--hints`: random networks are scored once, kept, and the sampler is told."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments import hinting
from experiments.aims import Aim
from experiments.hinting import hinted, read_hints
from experiments.search_request import SearchRequest
from experiments.search_step import run_search
from experiments.session import Session
from experiments.space_files import space_of
from nas.costs import Costing
from nas.evaluation import Evaluation
from nas.hints import Hints
from nas.objective import Objective
from nas.samplers.known import Known, known_networks
from nas.zero_cost import WARM_SCORES, scores_of
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from tests.conftest import TINY_SEARCH, Caller
from tests.experiments.conftest import Opener
from tests.test_cli_errors import assert_refused

SEARCH = SearchRequest(Aim(2e6), trials=2, confirm=0, epochs=1, hints="macs, params")


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores few networks, and trains none."""

    def evaluate(
        session: Session, spec: ArchSpec, *, seed: int, epochs: int, **_: object
    ) -> Evaluation:
        counted = cost(spec)
        return Evaluation(0.5, counted.macs, counted.params, 1.0, seed, epochs)

    monkeypatch.setattr(hinting, "NETWORKS", 24)
    monkeypatch.setattr(Session, "evaluate", evaluate)


class Counted:
    """Counts the networks that are scored, and stops the process before one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stop_at: int | None = None) -> None:
        self.calls = 0

        def counted(*args: Any, **options: Any) -> np.ndarray:
            if self.calls == stop_at:
                raise KeyboardInterrupt
            self.calls += 1
            return scores_of(*args, **options)

        monkeypatch.setattr("nas.zero_cost.scores_of", counted)


def known_of(session: Session) -> Known:
    asked = session.config.search
    assert asked is not None
    costing = Costing(space_of(asked, num_classes=10))
    return hinted(known_networks(Objective("soft", 2e6), costing), session, asked, costing)


def hints(session: Session) -> Hints:
    found = known_of(session).hints
    assert isinstance(found, Hints)
    return found


def test_scoring_goes_on_where_it_was_stopped(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hints(open_session(tmp_path / "whole", SEARCH))
    assert whole.names == ("macs", "params")
    assert min(whole.agreement) > 0.9, "both are among the inputs"
    session = open_session(tmp_path / "run", SEARCH)
    stopped = Counted(monkeypatch, stop_at=10)
    with pytest.raises(KeyboardInterrupt):
        hints(session)
    assert stopped.calls == 10
    went_on = Counted(monkeypatch)
    again = hints(session)
    assert went_on.calls == 14
    asked = session.config.search
    assert asked is not None
    space = space_of(asked, num_classes=10)
    rows = space.sample_encoded(np.random.default_rng(9), 50)
    assert np.array_equal(again(rows), whole(rows))
    hints(session)
    assert went_on.calls == 14, "what is kept is not scored again"


def test_scoring_ends_when_time_is_up(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hinting, "SECONDS", 0.0)
    monkeypatch.setattr(hinting, "ENOUGH", 21)
    counted = Counted(monkeypatch)
    session = open_session(tmp_path / "run", SEARCH)
    hints(session)
    assert counted.calls == 21
    hints(session)
    assert counted.calls == 21, "and goes on with these"


def test_a_search_is_told_and_says_so(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    session = open_session(tmp_path / "run", replace(SEARCH, hints="naswot"))
    monkeypatch.setattr(session.reporter, "note", notes.append)
    run_search(session)
    assert any("scores of 24 random networks foretell" in note for note in notes)
    assert len(pd.read_parquet(session.folder.trials_path)) == 2


def test_the_best_by_score_go_first(tmp_path: Path, open_session: Opener) -> None:
    session = open_session(tmp_path / "run", replace(SEARCH, trials=4, hints_first=3))
    first = known_of(session).first
    assert first is not None
    asked = session.config.search
    assert asked is not None
    space = space_of(asked, num_classes=10)
    drawn = hinting._drawn(Costing(space), 0)
    macs, params = (np.asarray(counts, dtype=float) for counts in space.tables.count(drawn))
    far = np.maximum(np.abs(np.log(macs / 2e6)) - np.log(1.25), 0)
    ranks = macs.argsort().argsort() + params.argsort().argsort()
    wanted = drawn[sorted(range(24), key=lambda i: (far[i], -ranks[i]))[:3]]
    assert np.array_equal(first, wanted)
    run_search(session)
    rows = pd.read_parquet(session.folder.trials_path)
    named = [space.values(row) for row in wanted]
    assert [fingerprint(space.decode(values)) for values in named] == list(rows["fingerprint"][:3])
    assert known_of(open_session(tmp_path / "none", SEARCH)).first is None


def test_what_can_be_a_hint() -> None:
    assert read_hints(None, sampler="tpe") == ()
    assert read_hints("zerocost", sampler="greybox") == WARM_SCORES
    assert read_hints("zico, synflow,zico", sampler="greybox") == ("zico", "synflow")
    with pytest.raises(InputError, match="did you mean 'zico'"):
        read_hints("zicco", sampler="greybox")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--hints", "zicco"), "--hints zicco: no zero-cost score is called 'zicco'"),
        (("--hints-first", 5), "--hints-first 5: it must be at most 24, and needs --hints"),
        (("--hints", "zico", "--hints-first", 999), "--hints-first 999: it must be at most 24"),
        (("--hints", ""), "--hints : no zero-cost score is called ''"),
        (("--hints", "zico", "--sampler", "tpe"), "only --sampler greybox takes hints, not tpe"),
    ],
)
def test_what_cannot_be_a_hint_is_refused(
    call: Caller, words: tuple[object, ...], message: str
) -> None:
    assert_refused(call("search", *TINY_SEARCH, *words, "--out", "run"), message)
    assert not Path("run").exists()
