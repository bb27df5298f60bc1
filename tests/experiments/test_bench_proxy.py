"""`nas bench proxy`: trainings by the proxy and by the full recipe, kept, and compared."""

import json
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from experiments import fidelity
from experiments.aims import Aim
from experiments.bench.proxy import ProxyOptions, check_proxy, check_run, draw_networks
from experiments.fidelity import Fidelity
from experiments.prepare import DataRequest, start
from experiments.progress import Reporter
from experiments.search_request import SearchRequest
from experiments.session import Session
from experiments.store import RunFolder
from experiments.train import train
from experiments.trust import PROXY, SEEDS
from nas.evaluation import Evaluation
from nas.search import derive_seed
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec
from tests.conftest import Caller
from tests.nas.fakes import tiny_space

REQUEST = DataRequest("digits", limit=120, device="cpu", overrides={"epochs": 2, "batch_size": 32})
OPTIONS = ProxyOptions(networks=3, seeds=2, space="fused", width=0.25, proxy_epochs=1)


class Counted:
    """Trains as before, counts the trainings, and fails those that it is told to."""

    def __init__(self, fail: int | None = None) -> None:
        self.calls: list[tuple[str, int, int]] = []
        self.fail = fail

    def __call__(self, spec: Any, data: Any, recipe: Any, **values: Any) -> Any:
        self.calls.append((spec.name, recipe.epochs, spec.resolution))
        if len(self.calls) - 1 == self.fail:
            raise RunError("the loss is nan")
        return train(spec, data, recipe, **values)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counted]:
    trainings = Counted()
    monkeypatch.setattr("experiments.evaluating.train", trainings)
    yield trainings


def kept_in(path: Path | None, **values: Any) -> ProxyOptions:
    return replace(OPTIONS, keep=path, **values)


def test_networks_are_trained_by_both_and_kept(tmp_path: Path, counted: Counted) -> None:
    kept = tmp_path / "kept.jsonl"
    document = check_proxy(kept_in(kept, scores=("naswot",)), REQUEST, Reporter())
    assert [epochs for _, epochs, _ in counted.calls] == [1] * 3 + [2] * 6
    assert (document["proxy"]["epochs"], document["full"]["epochs"]) == (1, 2)
    assert len(document["networks"]) == 3
    assert len({row["fingerprint"] for row in document["networks"]}) == 3
    for row in document["networks"]:
        assert 0 <= row["proxy"] <= 1
        assert len(row["full"]) == 2
        assert row["error"] is None
        assert row["scores"]["naswot"] > 0
    names = [row["what"] for row in document["agreement"]]
    assert names == [PROXY, SEEDS, "MACs alone", "params alone", "naswot alone"]
    assert document["seconds"]["proxy"] > 0
    assert json.loads(json.dumps(document)) == document

    lines = kept.read_text().splitlines()
    assert len(lines) == 9
    kept.write_text("\n".join(lines[:7]) + '\n{"key": "torn')
    again = check_proxy(kept_in(kept, scores=("naswot",)), REQUEST, Reporter())
    assert len(counted.calls) == 11
    for before, after in zip(document["networks"], again["networks"], strict=True):
        assert (before["proxy"], before["full"]) == (after["proxy"], after["full"])
    check_proxy(kept_in(kept), REQUEST, Reporter())
    assert len(counted.calls) == 11


def test_the_proxy_may_have_fewer_and_smaller_images(tmp_path: Path, counted: Counted) -> None:
    options = kept_in(tmp_path / "kept", networks=3, seeds=1, proxy_limit=80, proxy_resolution=8)
    document = check_proxy(options, REQUEST, Reporter())
    assert (document["proxy"]["resolution"], document["full"]["resolution"]) == (8, 16)
    assert document["proxy"]["images"] < document["full"]["images"]
    assert [side for *_, side in counted.calls] == [8] * 3 + [16] * 3


def test_a_network_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = Counted(fail=1)
    monkeypatch.setattr("experiments.evaluating.train", trainings)
    document = check_proxy(kept_in(None, networks=3, seeds=1), REQUEST, Reporter())
    assert document["failed"] == 1
    assert document["networks"][1]["error"] == "proxy: the loss is nan"
    assert document["agreement"][0]["n"] == 2
    assert len(trainings.calls) == 3 + 2  # its full training is not begun


def test_networks_near_a_target() -> None:
    space = make_space("fused", image_size=8, num_classes=10)
    specs = draw_networks(space, 20, target_macs=2e6, seed=0)
    assert len({fingerprint(spec) for spec in specs}) == 20
    assert all(1e6 <= cost(spec).macs <= 4e6 for spec in specs)
    assert specs == draw_networks(space, 20, target_macs=2e6, seed=0)
    assert specs != draw_networks(space, 20, target_macs=2e6, seed=1)
    everywhere = [cost(spec).macs for spec in draw_networks(space, 20, target_macs=None, seed=0)]
    assert max(everywhere) > 4e6
    with pytest.raises(InputError, match="only 3 distinct networks were found; 4 were asked"):
        draw_networks(tiny_space(), 4, target_macs=None, seed=0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"networks": 2}, "2 networks have no order"),
        ({"seeds": 0}, "--seeds is 0"),
        ({"scores": ("zicoo",)}, "did you mean 'zico'"),
        ({"target_macs": 1e12}, "no network of space"),
        ({"proxy_limit": 40}, "the proxy: .* fewer than one batch of 32"),
    ],
)
def test_what_does_not_fit_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_proxy(kept_in(None, **values), REQUEST, Reporter())


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    asked = SearchRequest(Aim(6e5), space="fused", width=0.25, epochs=1)
    with start(REQUEST, RunFolder(tmp_path / "run"), Reporter(), asked) as opened:
        yield opened


def test_a_run_says_what_its_proxy_is(session: Session, counted: Counted) -> None:
    options = ProxyOptions(networks=3, seeds=1)
    document = check_run(options, session)
    assert [epochs for _, epochs, _ in counted.calls] == [1] * 3 + [2] * 3
    assert all(3e5 <= row["macs"] <= 1.2e6 for row in document["networks"])
    assert json.loads(session.folder.proxy_path.read_text()) == document
    assert "proxy" in session.folder.ledger()
    check_run(options, session)
    assert len(counted.calls) == 6
    # A network that the search trains takes the proxy's result, and the other way round.
    space = make_space("fused", image_size=8, num_classes=10, resolution=16, width=0.25)
    spec = draw_networks(space, 3, target_macs=6e5, seed=0)[0]
    seed = derive_seed(session.config.seed, "trial", fingerprint(spec))
    found = session.evaluate(spec, seed=seed, epochs=1)
    assert found.accuracy == document["networks"][0]["proxy"]
    assert len(counted.calls) == 6


def test_a_run_that_searched_nothing_is_refused(tmp_path: Path) -> None:
    with (
        start(REQUEST, RunFolder(tmp_path / "run"), Reporter()) as opened,
        pytest.raises(InputError, match="nothing was searched"),
    ):
        check_run(OPTIONS, opened)


def test_the_command_takes_a_run_and_its_report_shows_it(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(tmp_path / "run")
    asked = SearchRequest(Aim(6e5), space="fused", width=0.25, epochs=1)
    with start(REQUEST, folder, Reporter(), asked):
        pass

    def trained(fidelity: Fidelity, spec: ArchSpec, seed: int, *rest: Any) -> Evaluation:
        macs = int(cost(spec).macs)
        share = macs / 1e7 + seed % 7 / 100
        return Evaluation(share, macs, 1, 1.0, seed, test_accuracy=share)

    monkeypatch.setattr(fidelity, "train_once", trained)
    words = ("bench", "proxy", "--run", folder.path, "--networks", 12, "--device", "cpu")
    assert "over 12 networks" in call(*words).out
    document = call(*words, "--json").document
    assert document == json.loads(folder.proxy_path.read_text())
    page = (folder.path / "report.html").read_text()
    assert "Can the proxy be trusted?" in page
    assert document["verdict"] in unescape(page)
