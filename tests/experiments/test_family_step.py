"""A family listed: which members, what they cost, whether they train."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments import machines
from experiments.arch import Arch, resolve_arch
from experiments.family_step import FamilyRequest, family_document, family_recipe
from experiments.growing import member_rates, member_training
from experiments.machines import machine_of
from experiments.recipes import Recipe, load_recipe
from experiments.scale_options import RoundingOptions
from experiments.session import Session
from scaling.compound import PAPER, scale
from scaling.fits import Machine
from search_spaces.catalog import catalog_spec
from search_spaces.codec import spec_from_json
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from search_spaces.train_memory import train_memory

ASKED = {
    "name", "phi", "width", "depth", "resolution", "params", "macs", "macs_ratio", "nominal_ratio",
    "train_memory_bytes", "step_seconds", "fits",
}  # fmt: skip


@pytest.fixture
def base(tiny: ArchSpec) -> ArchSpec:
    return replace(tiny, resolution=16)


def listed(name: str, recipe: Recipe, **asked: Any) -> dict[str, Any]:
    arch = resolve_arch(name)
    return family_document(arch, arch.spec, FamilyRequest(**asked), recipe)


def test_a_family_by_phi_is_listed_and_written(
    base: ArchSpec, quick: Recipe, tmp_path: Path
) -> None:
    asked = FamilyRequest(phi="0:2", constants="1.2,1.1,1.15", out=tmp_path / "out")
    document = family_document(Arch(base), base, asked, quick)
    assert [member["phi"] for member in document["members"]] == [0, 1, 2]
    assert [member["nominal_ratio"] for member in document["members"]] == [1, 2, 4]
    assert document["constants"]["source"] == "given"
    folder = tmp_path / "out" / "family"
    assert document["path"] == str(folder)
    for member in document["members"]:
        assert member.keys() >= ASKED
        spec = spec_from_json((folder / f"{member['name']}.json").read_text())
        counted = cost(spec, batch=quick.batch_size)
        assert (counted.macs, counted.params) == (member["macs"], member["params"])
        assert counted.train_memory_bytes == member["train_memory_bytes"]
        assert spec.resolution == member["resolution"]
        assert spec.dropout == member["recipe"]["dropout"]
        assert (member["fits"], member["step_seconds"]) == (None, None)
        assert member["base_dropout"] == base.dropout
    assert json.loads((folder / "family.json").read_text()) == document["members"]


def test_a_family_by_targets_comes_near_them(quick: Recipe) -> None:
    macs = cost(catalog_spec("efficientnet_b0")).macs
    document = listed("efficientnet_b0", quick, target_macs=f"{2 * macs},{4 * macs}")
    assert [member["target"] for member in document["members"]] == [2 * macs, 4 * macs]
    assert all(m["error"] < 0.05 and m["is_near"] for m in document["members"])
    assert document["constants"]["source"] == "EfficientNet's paper"
    assert document["path"] is None


@pytest.mark.parametrize(
    ("name", "divisor", "ninety", "fixed"),
    [
        ("efficientnet_b0", 8, True, False),
        ("efficientnet_lite0", 8, True, True),
        ("efficientnetv2_b0", 8, False, False),
    ],
)
def test_a_base_is_scaled_by_its_authors_rule(
    name: str, divisor: int, ninety: bool, fixed: bool, quick: Recipe
) -> None:
    document = listed(name, quick, phi="1")
    assert document["rounding"] == {
        "divisor": divisor, "ninety_percent": ninety, "fixed_ends": fixed, "late_layers": 0,
    }  # fmt: skip
    other = RoundingOptions(4, ninety_percent=False, fixed_ends=True, late_layers=0.5)
    document = listed(name, quick, phi="1", rounding=other)
    assert document["rounding"] == {
        "divisor": 4, "ninety_percent": False, "fixed_ends": True, "late_layers": 0.5,
    }  # fmt: skip


def test_b0_to_b7_are_the_published_ones(quick: Recipe) -> None:
    document = listed("efficientnet_b3", quick, published=True)
    assert document["base"]["name"] == "efficientnet_b0"
    members = document["members"][:8]
    for member in members:
        spec = catalog_spec(member["name"])
        assert (member["macs"], member["resolution"]) == (cost(spec).macs, spec.resolution)
        assert member["recipe"]["dropout"] == spec.dropout
        assert member.keys() >= ASKED
    assert [m["recipe"]["dropout"] for m in members] == [0.2, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5]
    assert members[7]["phi_by_dimension"]["width"] == 7.2725
    assert members[7]["published"] == {"params": "66M", "macs": "37G", "top1": 84.3}


def test_whether_a_member_trains_on_a_gpu_that_is_not_here(quick: Recipe) -> None:
    document = listed("efficientnet_b0", quick, phi="0:7", device="cuda", memory="24GiB", batch=128)
    assert document["device"] == {
        "name": "cuda", "precision": "bfloat16", "memory_bytes": 24 * 2**30,
        "usable_bytes": int(0.9 * 24 * 2**30), "batch": 128,
    }  # fmt: skip
    assert [m["fits"] for m in document["members"]] == [True] * 3 + [False] * 5
    assert all((m["largest_batch"] >= 128) is m["fits"] for m in document["members"])
    assert {m["step_seconds"] for m in document["members"]} == {None}
    b0 = document["members"][0]["train_memory_bytes"]
    assert b0 == train_memory(catalog_spec("efficientnet_b0"), mixed=True).of(128)


def test_the_cpus_memory_is_what_is_free(quick: Recipe, monkeypatch: pytest.MonkeyPatch) -> None:
    class Free:
        available = 2 * 2**30

    monkeypatch.setattr("experiments.machines.psutil.virtual_memory", Free)
    document = listed("efficientnet_b0", quick, phi="0,4", device="cpu", batch=16)
    assert document["device"]["memory_bytes"] == 2 * 2**30
    assert document["device"]["precision"] == "float32"
    assert [m["fits"] for m in document["members"]] == [True, False]


def test_a_memory_alone_is_that_of_the_device_that_is_here() -> None:
    assert machine_of(None, "2GB", 8).memory_bytes == 2_000_000_000
    assert machine_of(None, None, 8) == Machine("cpu", None, 8)


def test_step_times_are_measured_on_request_where_a_member_fits(
    base: ArchSpec, quick: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr(machines, "SECONDS", 0.0)
    needed = train_memory(base).of(2)
    asked = FamilyRequest(
        phi="0,4", device="cpu", memory=str(int(1.2 * needed)), batch=2, step_time=True
    )
    document = family_document(Arch(base), base, asked, quick)
    small, large = document["members"]
    assert document["step_times"] == "measured"
    assert small["fits"] and 0 < small["step_seconds"] < 60
    assert (large["fits"], large["step_seconds"]) == (False, None)
    assert "timing tiny_phi0 at batch 2" in capsys.readouterr().err


def test_steps_come_from_a_table_where_it_has_the_blocks(
    base: ArchSpec, quick: Recipe, tmp_path: Path
) -> None:
    from experiments.latency_table import LatencyTable, MadeFor
    from search_spaces.latency import piece_keys

    made = MadeFor(
        space="mine", resolution=16, num_classes=10, work="training", batch=8, device="cpu",
        model="a processor", threads=1, precision="float32", torch="2",
    )  # fmt: skip
    table = LatencyTable(made_for=made, scale=1, pieces={k: [0.25] for k in piece_keys(base)})
    table.save(tmp_path / "table.json")
    asked = FamilyRequest(
        phi="0:1", device="cpu", memory="8GiB", batch=8, table=tmp_path / "table.json"
    )
    document = family_document(Arch(base), base, asked, quick)
    assert document["step_times"] == "predicted"
    assert [m["step_seconds"] for m in document["members"]] == [0.25 * len(piece_keys(base)), None]
    with pytest.raises(InputError, match="was made for batch 8, not 16"):
        family_document(Arch(base), base, replace(asked, batch=16), quick)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"phi": "1", "target_macs": "1G"}, "--phi and --target-macs each say which members"),
        ({"phi": "1", "published": True}, "--phi and --published each say which members"),
        ({"published": True, "rounding": RoundingOptions(4)}, "leave rounding options out"),
        ({"step_time": True, "table": Path("t")}, "--step-time measures and --table predicts"),
    ],
)
def test_requests_that_contradict_themselves_are_refused(
    asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        FamilyRequest(**asked)


def test_members_train_with_what_grows_with_phi(base: ArchSpec) -> None:
    strong = load_recipe("efficientnet_v2")
    member = scale(base, 1, PAPER)
    spec, recipe = member_training(member, 1, strong, base_dropout=base.dropout)
    assert spec == member
    assert recipe.dropout == pytest.approx(0.3 + 0.3 / 7, abs=1e-4)
    assert recipe.magnitude == pytest.approx(15 + 10 / 2.745, abs=1e-2)
    assert recipe.mixup == pytest.approx(0.4 / 2.745, abs=1e-3)
    rates = member_rates(member, 1, strong, base_dropout=base.dropout)
    assert (recipe.dropout, recipe.magnitude) == (rates.dropout, rates.magnitude)
    assert member_training(base, 0, strong, base_dropout=base.dropout) == (base, strong)


def test_a_recipe_may_leave_growing_off(base: ArchSpec) -> None:
    off = load_recipe("efficientnet_v2", {"grow": False})
    grown = replace(base, dropout=0.4)
    assert member_training(grown, 3, off, base_dropout=base.dropout) == (base, off)
    assert member_rates(grown, 3, off, base_dropout=base.dropout).magnitude == 15


def test_a_recipe_without_randaugment_grows_dropout_alone(base: ArchSpec, quick: Recipe) -> None:
    grown = replace(base, dropout=0.1)
    assert member_training(grown, 2, quick, base_dropout=base.dropout) == (grown, quick)
    assert member_rates(grown, 2, quick, base_dropout=base.dropout).as_dict() == {
        "dropout": 0.1, "drop_path": 0.0, "magnitude": None, "mixup": None
    }  # fmt: skip


def test_a_runs_family_is_listed_for_the_runs_recipe(session: Session, base: ArchSpec) -> None:
    arch = Arch(base, run=session.folder)
    assert family_recipe(arch, "fast", []) == session.config.recipe
    assert family_recipe(arch, "efficientnet", []) == load_recipe("efficientnet")
    assert family_recipe(arch, "fast", ["grow=false"]).grow is False
    assert family_recipe(Arch(base), "fast", []) == load_recipe("fast")
    session.folder.config_path.write_text("neither a run")
    with pytest.raises(InputError, match=r"run\.toml: not TOML"):
        family_recipe(arch, "fast", [])
