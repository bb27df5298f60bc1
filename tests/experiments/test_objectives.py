"""Searches for other costs than MACs, with limits and with rewards of the user's own."""

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments import costing
from experiments.aims import Aim
from experiments.config import SearchConfig, read_config
from experiments.costing import costing_of
from experiments.device import Device
from experiments.latency import Timing
from experiments.latency_table import LatencyTable, MadeFor
from experiments.report import write_report
from experiments.report.contents import read_contents
from experiments.report.sections import _counts
from experiments.search_request import SearchRequest
from experiments.search_step import run_search
from experiments.space_files import space_of
from nas.costs import Costing
from nas.objective import efficientnetv2
from search_spaces.chains import Chains
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec
from tests.experiments.conftest import Opener
from tests.experiments.test_steps import scored

SEARCH = SearchRequest(Aim(2e6), trials=4, confirm=1, epochs=1, sampler="random")


def milliseconds(spec: ArchSpec) -> float:
    """Makes up a network's time: from 1 to 2 ms by its fingerprint."""
    return (1 + int(fingerprint(spec)[:4], 16) / 0x10000) / 1e3


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, int]]:
    """Lets measurements cost nothing; returns what is measured: network, work and batch."""
    calls: list[tuple[str, str, int]] = []

    def measure(spec: ArchSpec, *, batch: int, work: str, **_: Any) -> Timing:
        calls.append((fingerprint(spec), work, batch))
        median = milliseconds(spec)
        return Timing(median, median, 9.0, 7, 3)

    monkeypatch.setattr(costing, "measure", measure)
    return calls


def trials_of(path: Path) -> pd.DataFrame:
    return pd.read_parquet(path / "trials.parquet")


def test_latency_is_measured_once_a_network_weighed_and_recorded(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch, measured: list[Any]
) -> None:
    scored(monkeypatch)
    path = tmp_path / "run"
    aim = Aim(0.0015, "latency", "hard", front_cost="latency")
    session = open_session(path, replace(SEARCH, aim=aim))
    base = run_search(session)
    assert base.name == "mixed_latency_1.5ms"
    frame = trials_of(path)
    assert measured == [(name, "inference", 1) for name in frame["fingerprint"]]
    assert len(set(frame["fingerprint"])) == 4
    for row in frame.to_dict(orient="records"):
        factor = min(1, 0.0015 / row["latency"])
        assert row["reward"] == pytest.approx(row["accuracy"] * factor)
        assert row["step_time"] is None
        assert row["train_memory"] > row["params"]
    front = json.loads((path / "front.json").read_text())
    assert [entry["latency"] for entry in front] == sorted(entry["latency"] for entry in front)
    for entry in front:
        beaten = frame[(frame["accuracy"] > entry["accuracy"])]
        assert not (beaten["latency"] <= entry["latency"]).any()
    best = json.loads((path / "best.json").read_text())["result"]
    again = [e["accuracy"] for e in best["evaluations"][1:]]
    factor = min(1, 0.0015 / best["costs"]["latency"])
    assert best["reward"] == pytest.approx(np.mean(again) * factor)
    run_search(session)  # a finished search measures nothing
    assert len(measured) == 4
    page = write_report(session.folder).read_text()
    assert "Accuracy against cost" in page
    assert "a target of 1.5ms latency" in page


def test_v2_weighs_the_step_time_of_the_recipes_batch(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch, measured: list[Any]
) -> None:
    scored(monkeypatch)
    aim = Aim(0.001, "step_time", "v2", front_cost="step_time")
    session = open_session(tmp_path / "run", replace(SEARCH, aim=aim), batch_size=32)
    run_search(session)
    assert {(work, batch) for _, work, batch in measured} == {("training", 32)}
    for row in trials_of(tmp_path / "run").to_dict(orient="records"):
        wanted = efficientnetv2(row["accuracy"], row["step_time"], row["params"], 0.001)
        assert row["reward"] == pytest.approx(wanted)


def test_networks_over_a_limit_are_not_trained(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch, measured: list[Any]
) -> None:
    trained = scored(monkeypatch)
    aim = Aim(2e6, limits={"params": 1.5e5, "latency": 0.0015})
    session = open_session(tmp_path / "run", replace(SEARCH, aim=aim))
    run_search(session)
    frame = trials_of(tmp_path / "run")
    over = (frame["params"] > 1.5e5) | (frame["latency"] > 0.0015)
    assert set(frame["state"][over]) == {"refused"}
    assert set(frame["state"][~over]) == {"complete"}
    assert set(trained) == set(frame["fingerprint"][~over])
    assert frame["refused"].notna().equals(over)
    assert frame["latency"].isna().equals(frame["params"] > 1.5e5)
    refused = int(over.sum())
    assert f"{refused} over a limit or without a chance and not trained, 0 failed" in _counts(
        read_contents(session.folder)
    )


def asked_for(aim: Aim, **values: Any) -> SearchConfig:
    shape: dict[str, Any] = {
        "space": "mixed",
        "resolution": 16,
        "trials": 1,
        "epochs": 1,
        "exponent": -0.07,
    }
    given = {"target": aim.target, "cost": aim.cost, "limits": aim.limits}
    return SearchConfig(**{**shape, **given, "front_cost": aim.front_cost, **values})


def made_for(work: str = "inference") -> MadeFor:
    return MadeFor(
        space="mixed", resolution=16, num_classes=10, work=work, batch=1, device="cpu",  # type: ignore[arg-type]
        model="m", threads=1, precision="float32", torch="2",
    )  # fmt: skip


def test_a_table_tells_latency_in_place_of_measurements(
    tmp_path: Path, cpu: Device, measured: list[Any]
) -> None:
    space = make_space("mixed", image_size=16, num_classes=10)
    pieces = {key: [1e-4 + 1e-6 * n] for n, key in enumerate(sorted(Chains(space).keys))}
    table = LatencyTable(made_for=made_for(), scale=1.2, offset=1e-3, pieces=pieces)
    table.save(tmp_path / "table.json")
    asked = asked_for(Aim(limits={"latency": 0.003}), table=str(tmp_path / "table.json"))
    found = costing_of(asked, space, device=cpu, batch=8)
    rows = space.sample_encoded(np.random.default_rng(0), 30)
    for row, spec in zip(rows, space.decode_many(rows), strict=True):
        costs, over = found.of(spec)
        assert costs["latency"] == table.blocks().predict(spec)
        assert costs["train_memory"] == cost(spec, batch=8).train_memory_bytes
        assert (over is None) == found.allowed(row[None])[0] == (costs["latency"] <= 0.003)
    assert found.exact == ("macs", "params", "train_memory", "latency")
    assert measured == []
    steps = table.model_copy(update={"made_for": made_for("training")})
    steps.save(tmp_path / "table.json")
    with pytest.raises(InputError, match="tells step_time, and nothing that is asked needs it"):
        costing_of(asked, space, device=cpu, batch=8)


def test_times_are_measured_on_the_device(cpu: Device, tiny: ArchSpec) -> None:
    aim = Aim(1.0, "latency", limits={"step_time": 60.0})
    space = space_of(asked_for(aim), num_classes=10)
    found = costing_of(asked_for(aim), space, device=cpu, batch=2)
    found = Costing(found.space, found.batch, found.meters, limits=found.limits)
    costs, over = found.of(tiny)
    assert over is None
    assert 0 < costs["latency"] < 60
    assert 0 < costs["step_time"] < 60


def reward(accuracy: float, costs: Any) -> float:
    return accuracy - float(costs["params"]) / 1e9 - float(costs["latency"])


def test_a_users_own_reward_decides_and_must_be_asked_for_again(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch, measured: list[Any]
) -> None:
    scored(monkeypatch)
    name = f"{__name__}:reward"
    aim = Aim(None, "latency", name, plugin=reward, plugin_digest="cafe", front_cost="params")
    session = open_session(tmp_path / "run", replace(SEARCH, aim=aim))
    assert run_search(session).name == "mixed_reward"
    for row in trials_of(tmp_path / "run").to_dict(orient="records"):
        assert row["reward"] == pytest.approx(reward(row["accuracy"], row))
    stored = read_config(session.folder.config_path).search
    assert stored is not None
    assert (stored.objective, stored.objective_digest, stored.exponent) == (name, "cafe", None)
    with pytest.raises(InputError, match="is not imported; ask for it with --objective"):
        run_search(replace(session, plugin=None))


def test_nothing_that_run_toml_names_is_imported(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch)
    session = open_session(tmp_path / "run", replace(SEARCH, trials=1))
    run_search(session)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil_rewards.py").write_text("raise SystemExit('imported')")
    path = session.folder.config_path
    text = path.read_text().replace('"soft"', '"evil_rewards:reward"')
    path.write_text(text.replace("exponent = -0.07\n", ""))
    stored = session.folder.read().search
    assert stored is not None
    assert stored.objective == "evil_rewards:reward"
    write_report(session.folder)
    with pytest.raises(InputError, match="is not imported"):
        run_search(replace(session, config=session.folder.read()))
    assert "evil_rewards" not in sys.modules


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"aim": Aim(2e6, objective="hard")}, "objective soft, not hard"),
        ({"aim": Aim(1e5, "params")}, "cost macs, not params"),
        ({"aim": Aim(2e6, limits={"params": 2e5})}, "limits {}, not {'params': 200000.0}"),
        ({"aim": Aim(2e6, front_cost="params")}, "front_cost macs, not params"),
    ],
)
def test_a_folder_of_another_aim_is_refused(
    tmp_path: Path, open_session: Opener, changes: dict[str, Any], message: str
) -> None:
    open_session(tmp_path / "run", SEARCH).folder.read()
    with pytest.raises(InputError, match="was made for") as refused:
        open_session(tmp_path / "run", replace(SEARCH, **changes))
    assert message in str(refused.value)


def test_a_run_of_an_older_version_is_read(tmp_path: Path, open_session: Opener) -> None:
    folder = open_session(tmp_path / "run", SEARCH).folder
    new = ("cost = ", "objective_digest", "front_cost", "table_digest", "[search.limits]")
    lines = folder.config_path.read_text().replace("target = ", "target_macs = ").splitlines()
    folder.config_path.write_text("\n".join(x for x in lines if not x.startswith(new)))
    stored = folder.read().search
    assert stored is not None
    assert (stored.target, stored.cost, stored.front_cost, stored.limits) == (
        2e6,
        "macs",
        "macs",
        {},
    )


@pytest.mark.parametrize(
    ("aim", "message"),
    [
        (Aim(1.0, "params"), "has params 1 or less; it reaches"),
        (Aim(1e12, "train_memory"), "it reaches"),
        (Aim(2e6, limits={"train_memory": 1.0}), "or less; it reaches"),
        (Aim(2e6, table=Path("nowhere.json")), "there is no such table"),
        (Aim(None, objective="m:f", plugin=lambda a, c: None), "must return a finite number"),  # type: ignore[arg-type,return-value]
        (Aim(None, objective="m:f", plugin=lambda a, c: c["latency"]), "KeyError: 'latency' (the"),
    ],
)
def test_an_aim_that_cannot_be_is_refused_before_anything_is_written(
    tmp_path: Path, open_session: Opener, aim: Aim, message: str
) -> None:
    with pytest.raises(InputError) as refused:
        open_session(tmp_path / "run", replace(SEARCH, aim=aim))
    assert message in str(refused.value)
    assert not (tmp_path / "run").exists()
