"""Trainings that begin with a smaller network's weights: one, a family, a grid."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from experiments import evaluating
from experiments import session as sessions
from experiments.checkpoint import load_network, read_info
from experiments.family_training import FamilyPlan, family_members
from experiments.growing import member_training
from experiments.inheriting import base_start
from experiments.recipes import load_recipe
from experiments.scale_step import GridPlan, grid_command
from experiments.session import Session
from experiments.store import RunFolder
from experiments.train import train
from scaling.grid import GridRange
from search_spaces.catalog import catalog_spec
from search_spaces.codec import spec_from_json, spec_to_json
from search_spaces.resize import resize
from search_spaces.spec import ArchSpec
from tests.conftest import Caller
from tests.experiments.test_train_step import assert_refused

QUICK = ("--data", "digits", "--limit", 200, "--epochs", 1, "--device", "cpu")


def write(path: Path, spec: ArchSpec) -> Path:
    path.write_text(spec_to_json(spec))
    return path


@pytest.fixture
def member(tiny: ArchSpec) -> ArchSpec:
    return resize(tiny, width=1.5, depth=2, resolution=10, name="member")


@pytest.fixture
def base(call: Caller, tiny: ArchSpec, tmp_path: Path) -> Path:
    """Gives the checkpoint of a trained base."""
    outcome = call("train", write(tmp_path / "tiny.json", tiny), *QUICK, "--out", "base", "--json")
    assert outcome.status == 0, outcome.err
    return tmp_path / "base" / "tiny.safetensors"


@pytest.mark.parametrize("weights", ["base", "base/tiny.safetensors"])
def test_a_member_is_trained_from_its_bases_weights(
    call: Caller, base: Path, member: ArchSpec, tmp_path: Path, weights: str
) -> None:
    asked = ("train", write(tmp_path / "member.json", member), *QUICK, "--out", "grown", "--json")
    outcome = call(*asked, "--inherit", "--weights", weights)
    assert outcome.status == 0, outcome.err
    inherited = outcome.document["inherited"]
    assert inherited == {
        "from": "tiny", "checkpoint": str(base), "preserved": True, "obstacles": [],
    }  # fmt: skip
    info = read_info(tmp_path / "grown" / "member.safetensors")
    assert len(info.weights) == 16
    config = RunFolder(tmp_path / "grown").read()
    assert config.training is not None
    assert (config.training.inherits, config.training.weights) == (True, str(base))
    assert call("train", "--resume", "grown", "--json").document == outcome.document
    assert_refused(call(*asked), "holds another training; choose another folder")


def test_the_first_step_starts_where_the_base_ended(
    digits: Any, cpu: Any, quick: Any, base: Path, member: ArchSpec
) -> None:
    recipe = quick.model_copy(update={"epochs": 1, "lr": 1e-9, "weight_decay": 0.0})
    recipe = recipe.model_copy(update={"bn_momentum": 0.0})
    spec = replace(member, resolution=8, bn_momentum=0.0)
    grown = train(spec, digits, recipe, seed=0, device=cpu, weights=base, inherits=True)
    one, _ = load_network(base)
    images = torch.randn(4, 3, 8, 8)
    with torch.no_grad():
        assert torch.allclose(grown.network(images), one(images), atol=1e-3)


def test_what_cannot_be_inherited_is_one_line(
    call: Caller, base: Path, member: ArchSpec, tmp_path: Path
) -> None:
    path = write(tmp_path / "member.json", member)
    asked = ("train", path, *QUICK, "--out", "bad")
    assert_refused(call(*asked, "--inherit"), "--inherit: whose weights? Give --weights")
    lost = (*asked, "--inherit", "--weights", "no.safetensors")
    assert_refused(call(*lost), "no.safetensors: not a safetensors file")
    assert_refused(
        call("train", "mobilenetv2", *QUICK, "--out", "bad", "--inherit", "--weights", base),
        "mobilenetv2 cannot inherit from tiny: stem_stride is 1 in the one and 2 in the other",
    )
    first, second = member.stages
    other = replace(member, stages=(first, replace(second, kernel=5)))
    assert_refused(
        call("train", write(path, other), *QUICK, "--out", "bad", "--inherit", "--weights", base),
        "stage 2: kernel is 3 in the one and 5 in the other",
    )
    assert not (tmp_path / "bad").exists()


def test_what_is_not_preserved_is_said(
    call: Caller, base: Path, tiny: ArchSpec, tmp_path: Path
) -> None:
    smaller = write(tmp_path / "s.json", replace(tiny, name="smaller", head_ch=24))
    outcome = call("train", smaller, *QUICK, "--out", "s", "--inherit", "--weights", base)
    assert outcome.status == 0
    assert "smaller does not begin as tiny: head_ch is 24, the base's 32" in outcome.err


@pytest.fixture
def family(call: Caller, tiny: ArchSpec, tmp_path: Path) -> Path:
    """Gives a folder with the specs of a family."""
    path = write(tmp_path / "tiny.json", replace(tiny, resolution=8))
    words = ("--phi", "0,1,2", "--constants", "1.2,1.3,1.1", "--out", "listed", "--json")
    assert call("scale", path, *words).status == 0
    return tmp_path / "listed"


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, Path | None]]:
    """Lists every training as it begins: name, epochs, weights to start from."""
    seen: list[tuple[str, int, Path | None]] = []

    def trained(spec: ArchSpec, data: Any, recipe: Any, **more: Any) -> Any:
        seen.append((spec.name, recipe.epochs, more.get("weights")))
        return train(spec, data, recipe, **more)

    for module in (sessions, evaluating):
        monkeypatch.setattr(module, "train", trained)
    return seen


def test_a_family_is_trained_each_from_the_one_before(
    call: Caller, family: Path, tmp_path: Path, trainings: list[tuple[str, int, Path | None]]
) -> None:
    asked = ("train", family, "--family", *QUICK, "--set", "batch_size=32", "--json")
    plain = call(*asked, "--out", "fam")
    assert plain.status == 0, plain.err
    names = ["tiny_phi0", "tiny_phi1", "tiny_phi2"]
    assert trainings == [(name, 1, None) for name in names]
    rows = plain.document["members"]
    assert [row["name"] for row in rows] == names
    assert [row["macs"] for row in rows] == sorted(row["macs"] for row in rows)
    assert {row["inherited_from"] for row in rows} == {None}

    grown = call(*asked, "--out", "fam", "--inherit", "--inherit-epochs", 2)
    assert grown.status == 0, grown.err
    folder = tmp_path / "fam" / "family"
    befores = [folder / "tiny_phi0.safetensors", folder / "tiny_phi1.inherited.safetensors"]
    assert trainings[3:] == [("tiny_phi1", 2, befores[0]), ("tiny_phi2", 2, befores[1])]
    rows = grown.document["members"]
    assert [row["inherited_from"] for row in rows] == [None, "tiny_phi0", "tiny_phi1"]
    assert [row["epochs"] for row in rows] == [1, 2, 2]
    assert rows[1]["preserved"] is True
    config = RunFolder(tmp_path / "fam").read()
    assert config.family is not None
    assert (config.family.inherits, config.family.epochs) == (True, 2)

    again = call("train", "fam", "--family", "--inherit", "--inherit-epochs", 2, "--json")
    assert again.document["members"] == [{**row, "checkpoint": row["checkpoint"]} for row in rows]
    assert len(trainings) == 5


def test_a_family_of_a_run_needs_nothing_else(
    call: Caller, family: Path, trainings: list[tuple[str, int, Path | None]], session: Session
) -> None:
    run = session.folder
    family.joinpath("family").rename(run.family_path)
    outcome = call("train", run.path, "--family", "--inherit", "--device", "cpu")
    assert outcome.status == 0, outcome.err
    assert "tiny_phi2" in outcome.out
    assert len(trainings) == 3
    assert call("train", run.path, "--family", "--inherit", "--json").status == 0
    assert len(trainings) == 3
    assert_refused(
        call("train", run.path, "--family", "--epochs", 3), "says how its family is trained"
    )


def test_what_is_no_family_is_refused(call: Caller, family: Path, session: Session) -> None:
    assert_refused(call("train", session.folder.path, "--family"), "has no family (")
    assert_refused(call("train", family, "--family"), "no run says how it is trained; give --data")
    assert_refused(
        call("train", family, "--family", "--out", "x"), "--out x trains the family anew: --data"
    )
    assert_refused(
        call("train", family, "--family", *QUICK, "--out", "x", "--resolution", 9),
        "--family trains the members as they are; leave --resolution out",
    )
    assert_refused(
        call("train", family, "--family", *QUICK, "--out", "x", "--inherit-epochs", 2),
        "--inherit-epochs is for members that inherit; add --inherit",
    )
    path = family / "family" / "tiny_phi1.json"
    spec = spec_from_json(path.read_text())
    first, second = spec.stages
    write(path, replace(spec, stages=(replace(first, kernel=5), second)))
    assert_refused(
        call("train", family, "--family", *QUICK, "--out", "x", "--inherit"),
        "tiny_phi1 cannot inherit from tiny_phi0: stage 1: kernel is 3 in the one and 5",
    )


PLAN = GridPlan(GridRange(step=0.25, tolerance=0.3), epochs=1, count=2, seeds=1)


def test_a_grid_grows_from_its_base(
    session: Session, tiny: ArchSpec, trainings: list[tuple[str, int, Path | None]]
) -> None:
    base = replace(tiny, resolution=8)
    document = grid_command(session, base, PLAN, inherits=True)
    made = session.folder.path / "scaling" / "tiny_base.safetensors"
    assert trainings[0] == ("tiny", 1, None)
    assert [weights for *_, weights in trainings[1:]] == [made] * 2
    assert document["constants"]["inherited_from"] == str(made)
    grid_command(session, base, PLAN, inherits=True)
    assert len(trainings) == 3, "nothing is trained twice"
    grid_command(session, base, PLAN)
    assert [weights for *_, weights in trainings[3:]] == [None] * 2


def test_a_race_grows_from_its_base(
    session: Session, tiny: ArchSpec, trainings: list[tuple[str, int, Path | None]]
) -> None:
    plan = replace(PLAN, epochs=3, count=3, seeds=2, race=True)
    document = grid_command(session, replace(tiny, resolution=8), plan, inherits=True)
    made = session.folder.path / "scaling" / "tiny_base.safetensors"
    assert trainings[0] == ("tiny", 3, None)
    assert {weights for *_, weights in trainings[1:]} == {made}
    assert [epochs for _, epochs, _ in trainings[1:]] == [1, 1, 1, 3], "the longer for the best"
    assert document["constants"]["inherited_from"] == str(made)
    assert document["constants"]["race"]["share"] <= 1 / 3 + 1e-9


def test_a_grid_takes_a_checkpoint_of_the_same_split_only(
    session: Session, tiny: ArchSpec, tmp_path: Path
) -> None:
    base = replace(tiny, resolution=8)
    path = tmp_path / "own.safetensors"
    session.train_final(base, path, recipe=session.short_recipe(1), seed=5)
    assert base_start(session, base, 1, path) == path
    other = replace(session, data=replace(session.data, split_digest="other"))
    assert base_start(other, base, 1, path).name == "tiny_base.safetensors"
    assert base_start(session, replace(base, stem_ch=16), 1, path) != path


def test_a_member_is_regularised_by_what_its_family_says(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    spec = replace(catalog_spec("mobilenetv2"), name="m")
    recipe = load_recipe("efficientnet_v2", {})
    folder.write_json(folder.family_path / "m.json", json.loads(spec_to_json(spec)))
    rows = [{"name": "m", "phi": 2.0, "base_dropout": 0.1}]
    folder.write_json(folder.family_path / "family.json", rows)
    (member,) = family_members(folder, FamilyPlan())
    own = member.training(recipe)
    assert own == member_training(spec, 2.0, recipe, base_dropout=0.1)
    assert own[1] != recipe
    folder.write_json(folder.family_path / "family.json", [{"name": "m"}])
    (plain,) = family_members(folder, FamilyPlan())
    assert plain.training(recipe) == (spec, recipe)
