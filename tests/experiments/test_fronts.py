"""Runs that search for a Pareto front: what they keep, print and report, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments import costing
from experiments.aims import read_aim
from experiments.arch import resolve_arch
from experiments.config import read_config
from experiments.goals import front_of
from experiments.latency import Timing
from experiments.random_baseline import random_comparison, random_text
from experiments.report import report_document
from experiments.search_request import SearchRequest
from experiments.search_results import search_document
from experiments.search_step import run_search
from search_spaces.codec import fingerprint
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from tests.conftest import Caller
from tests.experiments.conftest import Opener
from tests.experiments.test_steps import scored
from tests.test_cli_errors import assert_refused

AIM = read_aim(objective="front", front_range="1M:4M")
SEARCH = SearchRequest(AIM, trials=10, confirm=2, epochs=1, sampler="random")
FRONT = ("search", "--data", "digits", "--limit", 200, "--out", "run", "--objective", "front")


def test_a_search_for_a_front_leaves_the_front_and_a_base(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = scored(monkeypatch)
    path = tmp_path / "run"
    session = open_session(path, replace(SEARCH, random_baseline=True))
    base = run_search(session)
    assert base.name == "mixed_front"
    document = search_document(session.folder)
    front = document["front"]
    assert [entry["macs"] for entry in front] == sorted(entry["macs"] for entry in front)
    assert all(entry["accuracy"] == entry["believed"] for entry in front)  # random has no model
    confirmed = [entry for entry in front if "confirmed" in entry]
    assert [entry["confirmed"]["n"] for entry in confirmed] == [2] * min(2, len(front))
    assert document["best"]["trial"] in [entry["trial"] for entry in confirmed]
    for entry in front:
        assert fingerprint(resolve_arch(str(path / entry["path"])).spec) == entry["fingerprint"]
    frame = pd.read_parquet(session.folder.trials_path)
    assert frame["macs"][frame["accuracy"].notna()].max() <= 4e6
    assert set(frame["state"]) == {"complete", "refused"}
    assert document["reference"] == {"accuracy": 0.0, "macs": 4e6}
    assert document["hypervolume"] == pytest.approx(document["believed_hypervolume"])
    compared = random_comparison(session.folder)
    assert compared is not None
    assert compared["search"]["hypervolume"] == pytest.approx(document["hypervolume"])
    assert "found hypervolume 0." in random_text(compared)
    assert len(calls) >= 10 + 2 * len(confirmed)


def test_the_report_of_a_front_draws_its_hypervolume(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch)
    session = open_session(tmp_path / "run", SEARCH)
    run_search(session)
    report = report_document(session.folder)
    page = Path(report["paths"]["report"]).read_text()
    for text in ("Front by trial", "Front by time", "from 1M to 4M", "trained again"):
        assert text in page, text
    assert "Reward by trial" not in page
    assert "the front of accuracy against MACs from 1M to 4M" in report["summary"][0]


def test_more_trials_go_on_with_the_front_and_drop_what_left_it(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = scored(monkeypatch)
    session = open_session(tmp_path / "run", replace(SEARCH, sampler="greybox", trials=4))
    run_search(session)
    first = search_document(session.folder)
    assert len(calls) == 4 + 2 * min(2, len(first["front"]))
    longer = open_longer(session, trials=22)
    run_search(longer)
    document = search_document(session.folder)
    assert document["hypervolume"] > first["hypervolume"]
    kept = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run/front").iterdir()}
    assert kept == {entry["path"] for entry in document["front"]}
    trials = pd.read_parquet(session.folder.trials_path)
    assert (trials["duplicate_of"].isna() & trials["accuracy"].notna()).sum() == 22
    assert any(entry["accuracy"] != entry["believed"] for entry in document["front"])


def open_longer(session: Any, *, trials: int) -> Any:
    """Gives the same session with more trials."""
    asked = session.config.search.model_copy(update={"trials": trials})
    return replace(session, config=session.config.model_copy(update={"search": asked}))


def test_a_range_is_brought_to_what_the_space_reaches_and_kept(
    tmp_path: Path, open_session: Opener
) -> None:
    path = tmp_path / "run"
    session = open_session(path, replace(SEARCH, aim=read_aim(objective="front", cost="params")))
    asked = read_config(path / "run.toml").search
    assert asked is not None
    assert asked.front_range is not None
    assert asked == session.config.search
    front = front_of(asked)
    assert front is not None
    assert (front.cost, asked.front_cost, asked.limits) == ("params", "params", {})
    limited = read_aim(objective="front", at_most=["macs=3M"])
    session = open_session(tmp_path / "limited", replace(SEARCH, aim=limited))
    assert session.config.search is not None
    assert (session.config.search.front_range or (0, 0))[1] == 3e6
    other = read_aim(objective="front", front_range="2M:3M")
    with pytest.raises(InputError, match=r"made for front_range .* not \(2000000"):
        open_session(tmp_path / "limited", replace(SEARCH, aim=other))


def test_a_measured_cost_needs_a_range_and_leaves_the_front_to_tpe(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(spec: ArchSpec, **_: Any) -> Timing:
        median = (1 + int(fingerprint(spec)[:4], 16) / 0x10000) / 1e3
        return Timing(median, median, 9.0, 7, 3)

    monkeypatch.setattr(costing, "measure", measure)
    scored(monkeypatch)
    aim = read_aim(objective="front", cost="latency")
    with pytest.raises(InputError, match="--front-range LOW:HIGH is missing: latency is measured"):
        open_session(tmp_path / "run", replace(SEARCH, aim=aim))
    aim = read_aim(objective="front", cost="latency", front_range="1ms:1.8ms")
    assert (aim.cost, aim.front_cost, aim.target) == ("latency", "latency", None)
    assert aim.front_range == pytest.approx((1e-3, 1.8e-3))
    assert aim.limits == {"latency": pytest.approx(1.8e-3)}
    session = open_session(tmp_path / "run", replace(SEARCH, aim=aim, sampler="greybox"))
    notes: list[str] = []
    monkeypatch.setattr(session.reporter, "note", notes.append)
    run_search(session)
    assert "latency is measured, not counted: greybox leaves the front to TPE" in notes[-2] + str(
        notes[:1]
    )
    front = json.loads(session.folder.front_path.read_text())
    assert [entry["latency"] for entry in front] == sorted(entry["latency"] for entry in front)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--sampler", "ppo"), "sampler ppo maximises one reward; those for --objective front are"),
        (("--halving", "epochs"), "--halving compares trials by one reward"),
        (("--ceiling", "0.9"), "--ceiling compares trials by one reward"),
        (("--front-range", "4M"), "--front-range '4M' cannot be read; write it as LOW:HIGH"),
        (("--front-range", "4M:1M"), "from 4e+06 to 1e+06 are no range"),
        (("--front-range", "4M:x"), "--front-range 'x'"),
        (("--front-range", "4G:5G"), "no two networks of space 'mixed' lie from macs 4000M to"),
        (("--front-cost", "params"), "objective front is that of --cost macs; leave --front-cost"),
        (("--front-range", "1M:2M", "--at-most", "macs=3M"), "limits macs already"),
        (
            ("--objective", "soft", "--target-macs", "2M", "--front-range", "1M:2M"),
            "--front-range is for --objective fr",
        ),
        (("--evaluator", "imagenet", "--target-macs", "300M"), "--evaluator imagenet"),
    ],
)
def test_what_makes_no_front_is_refused_in_a_line(
    call: Caller, words: tuple[object, ...], message: str
) -> None:
    assert_refused(call(*FRONT, *words), message)
    assert not Path("run").exists()


def test_benches_of_fronts_refuse_what_they_cannot_do(call: Caller, tmp_path: Path) -> None:
    bench = ("bench", "search", "--measured", str(tmp_path), "--objective")
    assert_refused(call(*bench, "front", "--samplers", "ppo"), "no sampler is called 'ppo'; they")
    assert_refused(call(*bench, "front", "--target-macs", "3M"), "a front has no target")
    assert_refused(call(*bench, "hard"), "--objective is 'hard'; the benches are of soft and front")
