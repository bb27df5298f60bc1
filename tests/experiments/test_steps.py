"""The steps of a run, each on the smallest job that shows what it promises."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.aims import Aim
from experiments.arch import resolve_arch
from experiments.export import parse_formats
from experiments.final_step import FinalRow, fit_baselines, train_members, train_seeds
from experiments.prepare import SearchRequest
from experiments.recipes import Recipe
from experiments.requests import grid_plan
from experiments.results import read_results, write_results
from experiments.run import RunPlan, run_all
from experiments.search_results import search_document
from experiments.search_step import run_search
from experiments.session import Session
from experiments.space_files import space_of
from experiments.store import RunFolder
from experiments.train_step import data_asked, train_document
from nas.evaluation import Evaluation
from nas.objective import Objective
from scaling.compound import PAPER
from scaling.family import phi_ladder
from search_spaces.codec import fingerprint, spec_from_json
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec
from tests.experiments.conftest import Opener

SEARCH = SearchRequest(Aim(2e6), trials=4, confirm=2, epochs=1)


def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lets evaluations cost nothing; returns the fingerprints as they are evaluated."""
    calls: list[str] = []

    def evaluate(
        self: Session, spec: ArchSpec, *, seed: int, epochs: int, **_: object
    ) -> Evaluation:
        name, counted = fingerprint(spec), cost(spec)
        calls.append(name)
        accuracy = 0.5 + int(name[:4], 16) / 0x20000 + seed % 5 / 100
        return Evaluation(accuracy, counted.macs, counted.params, 1.0, seed, epochs)

    monkeypatch.setattr(Session, "evaluate", evaluate)
    return calls


def test_a_search_leaves_its_trials_its_front_and_its_best(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = scored(monkeypatch)
    session = open_session(tmp_path / "run", replace(SEARCH, trials=8))
    base = run_search(session)
    assert len(calls) == 8 + 2 * 2
    frame = pd.read_parquet(session.folder.trials_path)
    evaluated = frame[frame["accuracy"].notna() & frame["duplicate_of"].isna()]
    assert len(evaluated) == 8
    assert set(frame["state"]) == {"complete"}
    assert {"stage1.kernel", "stage4.width", "macs", "params", "seed"} <= set(frame.columns)
    objective = Objective("soft", 2e6)
    for row in evaluated.itertuples():
        assert row.reward == pytest.approx(objective(row.accuracy, row.macs))  # type: ignore[arg-type]
    document = search_document(session.folder)
    assert document["best"]["name"] == base.name == "mixed_2M"
    assert fingerprint(base) == document["best"]["fingerprint"]
    assert len(document["best"]["evaluations"]) == 3
    best_two = evaluated.nlargest(2, "reward")["trial"].tolist()
    assert document["best"]["trial"] in best_two
    front = document["front"]
    assert [entry["macs"] for entry in front] == sorted(entry["macs"] for entry in front)
    for entry in front:
        beaten = (evaluated["accuracy"] > entry["accuracy"]) & (evaluated["macs"] <= entry["macs"])
        assert not beaten.any()
        spec_from_json(json.dumps(entry))


def test_a_search_stopped_before_its_first_trial_leaves_a_readable_table(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any, **__: Any) -> Evaluation:
        raise KeyboardInterrupt

    monkeypatch.setattr(Session, "evaluate", stop)
    session = open_session(tmp_path / "run", SEARCH)
    with pytest.raises(KeyboardInterrupt):
        run_search(session)
    assert len(pd.read_parquet(session.folder.trials_path)) == 0


def test_a_network_that_cannot_be_trained_again_is_not_the_best(
    tmp_path: Path, open_session: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch)
    first = open_session(tmp_path / "one", SEARCH)
    best = fingerprint(run_search(first))
    only = fingerprint(run_search(open_session(tmp_path / "only", replace(SEARCH, trials=1))))
    evaluate, seen = Session.evaluate, set[str]()

    def diverges(
        self: Session, spec: ArchSpec, *, seed: int, epochs: int, **more: Any
    ) -> Evaluation:
        name = fingerprint(spec)
        if name == best and name in seen:
            raise RunError("the loss is nan in epoch 1")
        seen.add(name)
        return evaluate(self, spec, seed=seed, epochs=epochs, **more)

    monkeypatch.setattr(Session, "evaluate", diverges)
    assert fingerprint(run_search(open_session(tmp_path / "two", SEARCH))) != best
    seen.clear()
    best = only
    with pytest.raises(RunError, match="none of the best networks could be trained again"):
        run_search(open_session(tmp_path / "three", replace(SEARCH, confirm=1, trials=1)))


def test_a_folder_without_a_search_cannot_be_searched(session: Session) -> None:
    with pytest.raises(InputError, match="nothing was searched in this run folder"):
        run_search(session)


def test_the_space_of_a_run_is_the_one_it_was_asked_for(
    tmp_path: Path, open_session: Opener
) -> None:
    asked = open_session(tmp_path / "run", replace(SEARCH, width=1.5)).config.search
    assert asked is not None
    space = space_of(asked, num_classes=10)
    assert space == make_space("mixed", image_size=8, num_classes=10, width=1.5)


@pytest.mark.parametrize("size", [8, 32])
def test_baselines_cost_what_the_base_costs(size: int) -> None:
    for name in ("mbconv", "mixed"):
        space = make_space(name, image_size=size, num_classes=10)
        base = space.decode(space.sample(np.random.default_rng(0)))
        mobile, efficient = fit_baselines(base)
        assert (mobile.name, efficient.name) == ("mobilenetv2_fitted", "efficientnet_b0_fitted")
        for spec in (mobile, efficient):
            assert cost(spec).macs == pytest.approx(cost(base).macs, rel=0.1)
            assert (spec.resolution, spec.num_classes) == (base.resolution, base.num_classes)
        assert mobile.act == "relu6"
        assert {stage.se_ratio for stage in efficient.stages} == {0.25}


def test_final_rows_report_mean_deviation_and_cost_over_seeds(
    session: Session, tiny: ArchSpec, quick: Recipe
) -> None:
    folder = session.folder.family_path
    row = train_seeds(session, tiny, folder, role="base", recipe=quick, seeds=3)
    assert sorted(path.name for path in folder.iterdir()) == [
        "tiny.safetensors",
        "tiny.seed1.safetensors",
        "tiny.seed2.safetensors",
    ]
    assert len(row.test) == len(row.validation) == 3
    assert row.mean == pytest.approx(sum(row.test) / 3)
    assert row.deviation == pytest.approx(np.std(row.test, ddof=1))
    assert (row.macs, row.params) == (cost(tiny).macs, cost(tiny).params)
    seeds = {resolve_arch(str(p)).info.seed for p in folder.iterdir()}  # type: ignore[union-attr]
    assert len(seeds) == 3
    write_results(session.folder, [row, replace(row, role="baseline", test=(0.5,))])
    first, second = read_results(session.folder)
    assert first["test_accuracies"] == list(row.test)
    assert (first["seeds"], first["checkpoint"]) == (3, "family/tiny.safetensors")
    assert (second["deviation"], second["test_accuracy"]) == (None, 0.5)


def test_members_are_trained_smallest_first_the_base_with_every_seed(
    session: Session, tiny: ArchSpec, quick: Recipe
) -> None:
    members = phi_ladder(replace(tiny, resolution=12), PAPER, (1.0, 0.0))
    rows = train_members(session, members, recipe=quick, seeds=2)
    assert [(row.role, len(row.test)) for row in rows] == [("base", 2), ("φ = 1", 1)]
    assert math.isnan(rows[1].deviation)
    assert isinstance(rows[0], FinalRow)


def test_no_results_yet(session: Session) -> None:
    assert read_results(session.folder) == []


def test_training_one_network_in_a_folder_of_its_own(session: Session, tiny: ArchSpec) -> None:
    document = train_document(session, replace(tiny, num_classes=3))
    assert document["checkpoint"] == str(session.folder.path / "tiny.safetensors")
    assert set(document) >= {"test_accuracy", "validation_accuracy", "macs", "params", "seconds"}
    assert "history" not in document
    arch = resolve_arch(str(session.folder.path))
    assert arch.spec == tiny
    assert data_asked(arch, None, limit=None, image_size=None) == ("digits", 400, 8)
    assert data_asked(arch, None, limit=300, image_size=16) == ("digits", 300, 16)
    assert data_asked(arch, "other", limit=None, image_size=None) == ("other", None, None)
    with pytest.raises(InputError, match="--data is missing: digits"):
        data_asked(resolve_arch("mobilenetv2"), None, limit=None, image_size=None)


@pytest.mark.parametrize("phis", [(1.0,), (0.0, 1.0)])
def test_a_whole_run_always_holds_its_base(
    tmp_path: Path, open_session: Opener, phis: tuple[float, ...]
) -> None:
    session = open_session(tmp_path / "run", replace(SEARCH, trials=2, confirm=0), epochs=1)
    grid = grid_plan(
        alpha="1:2", beta="1:1.5", gamma="1:1.5", step=0.05, tolerance=0.1,
        candidates=2, seeds=1, epochs=1,
    )  # fmt: skip
    plan = RunPlan(grid, phis, seeds=1, baselines=False, formats=parse_formats("spec,safetensors"))
    result = run_all(session, plan)
    assert [row.role for row in result.rows] == ["base", "φ = 1"]
    assert [member.phi for member in result.members] == [0, 1]
    manifest = json.loads((session.folder.export_path / "manifest.json").read_text())
    assert manifest["trained"] is True
    ledger = session.folder.ledger()
    assert {"search", "grid", "family", "export"} <= set(ledger)
    assert len(read_results(RunFolder(tmp_path / "run"))) == 2
    assert not [p for p in (tmp_path / "run").rglob(".*") if p.name != ".lock"]
