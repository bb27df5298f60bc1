"""A search that begins with what another run's trials taught."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.aims import Aim
from experiments.prepare import DataRequest, start
from experiments.progress import Reporter
from experiments.search_request import SearchRequest
from experiments.search_step import run_search
from experiments.session import Session
from experiments.space_files import space_of
from experiments.store import RunFolder
from experiments.warm_start import read_earlier
from nas.evaluation import Evaluation
from nas.trials import records
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from tests.experiments.conftest import Opener

SEARCH = SearchRequest(Aim(2e6), trials=16, confirm=0, epochs=1, sampler="random")
WARM = replace(SEARCH, sampler="greybox", trials=5)


@pytest.fixture(autouse=True)
def _scored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives networks with wide kernels the better accuracies."""

    def evaluate(
        session: Session, spec: ArchSpec, *, seed: int, epochs: int, **_: object
    ) -> Evaluation:
        counted = cost(spec)
        kernels = float(np.mean([stage.kernel for stage in spec.stages]))
        return Evaluation(kernels / 10, counted.macs, counted.params, 1.0, seed, epochs)

    monkeypatch.setattr(Session, "evaluate", evaluate)


@pytest.fixture
def earlier(tmp_path: Path, open_session: Opener) -> Path:
    run_search(open_session(tmp_path / "earlier", SEARCH))
    return tmp_path / "earlier"


def accuracies(session: Session) -> list[float]:
    asked = session.config.search
    assert asked is not None
    trials = records(session.folder.study(), space_of(asked, num_classes=10))
    return [t.evaluation.accuracy for t in trials if t.evaluation]


def test_the_first_trials_already_know(tmp_path: Path, open_session: Opener, earlier: Path) -> None:
    warm = open_session(tmp_path / "warm", replace(WARM, warm_start=earlier), limit=300)
    run_search(warm)
    cold = open_session(tmp_path / "cold", WARM)
    run_search(cold)
    assert accuracies(warm)[0] == 0.5, "all kernels are wide at once"
    assert np.mean(accuracies(warm)) > np.mean(accuracies(cold)) + 0.03
    asked = warm.config.search
    assert asked is not None
    assert asked.warm_start == str(earlier.resolve())
    space = space_of(asked, num_classes=10)
    assert asked.warm_digest == read_earlier(earlier, space, sampler="greybox").digest


def test_a_warm_search_that_was_stopped_goes_on_exactly(
    tmp_path: Path, open_session: Opener, earlier: Path
) -> None:
    request = replace(WARM, warm_start=earlier)
    whole = open_session(tmp_path / "whole", request)
    run_search(whole)
    run_search(open_session(tmp_path / "one", replace(request, trials=1)))
    again = replace(whole, folder=RunFolder(tmp_path / "one"))
    run_search(again)
    assert accuracies(again) == accuracies(whole)


def test_all_seeds_of_a_run_teach(tmp_path: Path, open_session: Opener) -> None:
    session = open_session(tmp_path / "several", replace(SEARCH, trials=2, seeds=3))
    run_search(session)
    assert session.config.search is not None
    space = space_of(session.config.search, num_classes=10)
    assert len(read_earlier(tmp_path / "several", space, sampler="greybox").choices) == 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sampler": "tpe"}, "only --sampler greybox learns from another run, not tpe"),
        ({"space": "mbconv"}, "that run searched space mixed, whose choices differ"),
        ({"warm_start": Path("nowhere")}, "nowhere: not a run folder"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(
    tmp_path: Path, earlier: Path, change: dict[str, Any], message: str
) -> None:
    asked = replace(WARM, **{"warm_start": earlier, **change})
    folder = RunFolder(tmp_path / "refused")
    data = DataRequest("digits", limit=200, device="cpu")
    with pytest.raises(InputError) as refused, start(data, folder, Reporter(), asked):
        pytest.fail("the session was opened")
    assert message in str(refused.value)
    assert not folder.path.exists()


def test_a_run_in_which_nothing_has_finished_teaches_nothing(
    tmp_path: Path, open_session: Opener
) -> None:
    session = open_session(tmp_path / "empty", SEARCH)
    assert session.config.search is not None
    space = space_of(session.config.search, num_classes=10)
    with pytest.raises(InputError, match="no trial has finished there"):
        read_earlier(tmp_path / "empty", space, sampler="greybox")
    assert not session.folder.study_path.exists(), "another run's folder is only read"


def test_a_run_that_has_gone_on_is_another_one(
    tmp_path: Path, open_session: Opener, earlier: Path
) -> None:
    session = open_session(tmp_path / "warm", replace(WARM, warm_start=earlier))
    former = open_session(tmp_path / "former", SEARCH)
    run_search(replace(former, folder=RunFolder(earlier), config=_more(former)))
    with pytest.raises(InputError, match="its trials are not those that this search began with"):
        run_search(session)
    with pytest.raises(InputError, match="was made for trials of --warm-start"):
        open_session(tmp_path / "warm", WARM)


def _more(session: Session) -> Any:
    assert session.config.search is not None
    search = session.config.search.model_copy(update={"trials": SEARCH.trials + 1})
    return session.config.model_copy(update={"search": search})
