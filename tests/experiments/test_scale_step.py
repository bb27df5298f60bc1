import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from experiments.arch import Arch, resolve_arch
from experiments.family_step import FamilyRequest, family_document
from experiments.recipes import Recipe
from experiments.requests import grid_plan
from experiments.scale_options import RoundingOptions
from experiments.scale_step import (
    GridPlan,
    candidates_document,
    candidates_of,
    grid_command,
    grid_folder,
    run_grid,
)
from experiments.session import Session
from nas.evaluation import Evaluation
from scaling.compound import Constants
from scaling.grid import GridRange, grid_score
from search_spaces.catalog import catalog_spec
from search_spaces.codec import fingerprint, spec_to_json
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.resize import Rounding
from search_spaces.spec import ArchSpec

PLAN = GridPlan(GridRange(step=0.25, tolerance=0.3), epochs=1, count=5, seeds=2)


class Trainer:
    """Stands in for `Session.evaluate`: scores a network by its fingerprint, keeps a log."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[tuple[str, int]] = []
        self.known: dict[tuple[str, int], Evaluation] = {}
        self.fail: set[str] = set()
        self.stop_at: int | None = None
        trainer = self

        def evaluate(
            self: Session, spec: ArchSpec, *, seed: int, epochs: int, start: object = None
        ) -> Evaluation:
            return trainer.evaluate(spec, seed)

        monkeypatch.setattr(Session, "evaluate", evaluate)

    def evaluate(self, spec: ArchSpec, seed: int) -> Evaluation:
        name = fingerprint(spec)
        if name in self.fail:
            raise RunError("the loss is nan")
        if (name, seed) not in self.known:
            if len(self.calls) == self.stop_at:
                raise KeyboardInterrupt
            self.calls.append((name, seed))
            accuracy = 0.5 + int(name[:4], 16) / 0x20000 + seed % 7 / 1000
            macs = cost(spec).macs
            self.known[name, seed] = Evaluation(accuracy, macs, 1, 2.0, seed)
        return self.known[name, seed]


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch) -> Trainer:
    return Trainer(monkeypatch)


@pytest.fixture
def base(tiny: ArchSpec) -> ArchSpec:
    return replace(tiny, resolution=16)


def test_every_candidate_is_trained_ranked_and_written_down(
    session: Session, base: ArchSpec, trainer: Trainer
) -> None:
    outcome = run_grid(session, base, PLAN)
    ranked = [outcome.results[number] for number in outcome.ranked]
    chosen = {candidate.fingerprint for candidate in candidates_of(base, PLAN)}
    assert {name for name, _ in trainer.calls} == chosen
    assert len(trainer.calls) == len(set(trainer.calls)) == 5 * 2
    scores = [grid_score(result.mean, result.candidate.macs_ratio) for result in ranked]
    assert scores == sorted(scores, reverse=True)
    best = ranked[0]
    frame = pd.read_parquet(session.folder.grid_path)
    assert frame["fingerprint"].tolist() == [r.candidate.fingerprint for r in ranked]
    assert frame["score"].tolist() == pytest.approx(scores)
    assert frame["seeds"].tolist() == [2] * 5
    assert frame["seconds"].tolist() == [4.0] * 5
    constants = json.loads(session.folder.constants_path.read_text())
    found = Constants(constants["alpha"], constants["beta"], constants["gamma"])
    assert found == best.candidate.constants
    assert constants["score"] == pytest.approx(scores[0])
    assert constants["accuracy"] == pytest.approx(best.mean)
    assert constants["deviation"] == pytest.approx(best.deviation)
    assert (constants["seeds"], constants["candidates"], constants["epochs"]) == (2, 5, 1)
    assert constants["base"] == {"name": "tiny", "fingerprint": fingerprint(base)}


def test_all_candidates_share_their_seeds(
    session: Session, base: ArchSpec, trainer: Trainer
) -> None:
    run_grid(session, base, PLAN)
    assert len({seed for _, seed in trainer.calls}) == 2


def test_a_grid_that_was_stopped_goes_on(
    session: Session, base: ArchSpec, trainer: Trainer
) -> None:
    trainer.stop_at = 3
    with pytest.raises(KeyboardInterrupt):
        run_grid(session, base, PLAN)
    assert not session.folder.constants_path.exists()
    trainer.stop_at = None
    run_grid(session, base, PLAN)
    assert len(trainer.calls) == len(set(trainer.calls)) == 10
    first = session.folder.constants_path.read_bytes(), pd.read_parquet(session.folder.grid_path)
    run_grid(session, base, PLAN)
    assert len(trainer.calls) == 10
    assert session.folder.constants_path.read_bytes() == first[0]
    pd.testing.assert_frame_equal(pd.read_parquet(session.folder.grid_path), first[1])


def test_a_candidate_that_fails_comes_last_and_the_json_stays_strict(
    session: Session, base: ArchSpec, trainer: Trainer
) -> None:
    plan = replace(PLAN, seeds=1)
    lost = candidates_of(base, plan)[2].fingerprint
    trainer.fail = {lost}
    document = grid_command(session, base, plan)
    json.dumps(document, allow_nan=False)
    last = document["candidates"][-1]
    assert (last["fingerprint"], last["seeds"], last["accuracy"]) == (lost, 0, None)
    assert [c["seeds"] for c in document["candidates"][:-1]] == [1] * 4
    assert document["constants"]["deviation"] is None
    frame = pd.read_parquet(session.folder.grid_path)
    assert math.isnan(frame["accuracy"].iloc[-1])
    assert document["paths"]["grid"] == str(session.folder.grid_path)


def test_a_grid_in_which_everything_fails_writes_nothing(
    session: Session, base: ArchSpec, trainer: Trainer
) -> None:
    trainer.fail = {candidate.fingerprint for candidate in candidates_of(base, PLAN)}
    with pytest.raises(RunError, match="every candidate of the grid failed"):
        run_grid(session, base, PLAN)
    assert not session.folder.constants_path.exists()
    assert not session.folder.grid_path.exists()


def test_the_command_gives_the_base_the_datas_classes(
    session: Session, base: ArchSpec, trainer: Trainer
) -> None:
    document = grid_command(session, replace(base, num_classes=77), PLAN)
    assert document["constants"]["base"]["fingerprint"] == fingerprint(base)


def test_the_default_grid_is_the_published_one() -> None:
    plan = grid_plan(
        alpha="1:2", beta="1:1.5", gamma="1:1.5", step=0.05, tolerance=0.1,
        candidates=None, seeds=1, epochs=1,
    )  # fmt: skip
    document = candidates_document(catalog_spec("efficientnet_b0"), plan)
    assert document["points"] == 2541
    assert len(document["candidates"]) == 108
    found = [tuple(c[name] for name in ("alpha", "beta", "gamma")) for c in document["candidates"]]
    assert (1.2, 1.1, 1.15) in found
    trained = [c["fingerprint"] for c in document["candidates"] if c["trained"]]
    assert sorted(trained) == sorted({c["fingerprint"] for c in document["candidates"]})
    assert document["base"]["fingerprint"] == fingerprint(catalog_spec("efficientnet_b0"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": "1:1", "beta": "1:1", "gamma": "1:1"}, "no α·β²·γ² is within 0.1 of 2"),
        ({"alpha": "0.5:1"}, "alpha runs from 0.5 to 1.0"),
        ({"alpha": "x"}, "--alpha 'x' cannot be read"),
        ({"step": 0.0}, "step is 0.0; it must be a positive number"),
        ({"tolerance": -1.0}, "tolerance is -1.0"),
        ({"step": 0.0001}, "points are more than 200,000"),
    ],
)
def test_a_grid_that_makes_no_sense_is_refused_at_once(
    change: dict[str, Any], message: str
) -> None:
    asked: dict[str, Any] = {
        "alpha": "1:2", "beta": "1:1.5", "gamma": "1:1.5", "step": 0.05, "tolerance": 0.1,
        "candidates": None, "seeds": 1, "epochs": 1,
    }  # fmt: skip
    with pytest.raises(InputError) as refused:
        grid_plan(**{**asked, **change})
    assert message in str(refused.value)


def test_a_family_takes_the_constants_of_its_own_grid_only(
    session: Session, base: ArchSpec, trainer: Trainer, quick: Recipe
) -> None:
    run_grid(session, base, replace(PLAN, rounding=Rounding(divisor=4)))
    session.folder.best_path.write_text(spec_to_json(base))
    arch = resolve_arch(str(session.folder.path))
    found = json.loads(session.folder.constants_path.read_text())
    document = family_document(arch, base, FamilyRequest(phi="0:1"), quick)
    assert document["constants"]["source"] == "this run's grid"
    assert document["constants"]["alpha"] == found["alpha"]
    assert document["rounding"] == found["rounding"] == asdict(Rounding(divisor=4))
    asked = FamilyRequest(phi="0:1", rounding=RoundingOptions(divisor=2))
    assert family_document(arch, base, asked, quick)["rounding"] == asdict(Rounding(divisor=2))
    other = family_document(arch, replace(base, resolution=20), FamilyRequest(phi="1"), quick)
    assert other["constants"]["source"] == "EfficientNet's paper"
    assert other["rounding"] == asdict(Rounding())
    for broken in ("{", "{}", "[]"):
        session.folder.constants_path.write_text(broken)
        with pytest.raises(InputError, match="cannot be read; run `nas scale --grid` again"):
            family_document(arch, base, FamilyRequest(phi="0:1"), quick)


def test_a_grid_that_was_made_before_rounding_was_kept_is_read(
    session: Session, base: ArchSpec, trainer: Trainer, quick: Recipe
) -> None:
    run_grid(session, base, PLAN)
    session.folder.best_path.write_text(spec_to_json(base))
    older = json.loads(session.folder.constants_path.read_text())
    del older["rounding"]
    session.folder.constants_path.write_text(json.dumps(older))
    arch = resolve_arch(str(session.folder.path))
    document = family_document(arch, base, FamilyRequest(phi="0:1"), quick)
    assert document["constants"]["source"] == "this run's grid"
    assert document["rounding"] == asdict(Rounding())


def test_a_counted_grid_lists_and_trains_the_same_points(base: ArchSpec) -> None:
    plan = replace(PLAN, grid=replace(PLAN.grid, constraint="counted"), count=None)
    document = candidates_document(base, plan)
    assert all(abs(c["macs_ratio"] - 2) < 0.3 for c in document["candidates"])
    assert document["grid"]["constraint"] == "counted"
    trained = [c["fingerprint"] for c in document["candidates"] if c["trained"]]
    assert trained == [candidate.fingerprint for candidate in candidates_of(base, plan)]
    assert len(trained) == document["networks"]


def test_where_a_grid_goes(session: Session, base: ArchSpec, tmp_path: Path) -> None:
    assert grid_folder(Arch(base), tmp_path) == tmp_path
    assert grid_folder(Arch(base, run=session.folder), None) == session.folder.path
    assert grid_folder(Arch(base), None) == Path("runs/scale-tiny")
