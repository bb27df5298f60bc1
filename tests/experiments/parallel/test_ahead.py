"""Lists of trainings done in parallel: the same results as one process gives."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.family_training import FamilyMember, FamilyPlan, train_family
from experiments.parallel import Placement
from experiments.scale_step import GridPlan, run_grid
from experiments.session import Session
from experiments.store import RunFolder
from scaling.grid import GridRange
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec
from tests.experiments.parallel.fakes import fake

PLAN = GridPlan(GridRange(step=0.5, tolerance=0.5), epochs=1, count=2, seeds=1)


def in_folder(session: Session, path: Path) -> Session:
    folder = RunFolder(path)
    return replace(session, folder=folder, config=folder.open(session.config))


def test_a_grid_comes_to_the_same_with_two_workers(
    session: Session, tiny: ArchSpec, two: Placement, tmp_path: Path
) -> None:
    base = replace(tiny, resolution=16)
    alone = in_folder(session, tmp_path / "alone")
    run_grid(alone, base, PLAN)
    parallel = replace(in_folder(session, tmp_path / "parallel"), placement=two)
    run_grid(parallel, base, PLAN)
    assert len(parallel.log) == len(alone.log) == 2
    one, other = (each.folder.constants_path.read_bytes() for each in (alone, parallel))
    assert one == other


def test_a_failure_is_told_and_not_repeated(
    session: Session, tiny: ArchSpec, two: Placement, tmp_path: Path
) -> None:
    from experiments.parallel.ahead import prefetch

    session = replace(session, placement=two)
    key = session.key(tiny, session.short_recipe(1), 5)
    failing = replace(fake(tmp_path, tiny, "fails", "fail"), key=key)
    prefetch(session, [failing, failing])
    prefetch(session, [failing])
    assert len((tmp_path / "fails.starts").read_text().splitlines()) == 1
    with pytest.raises(RunError, match="the loss is nan"):
        session.evaluate(tiny, seed=5, epochs=1)


def test_a_family_is_trained_by_workers(
    session: Session, tiny: ArchSpec, two: Placement, tmp_path: Path
) -> None:
    members = [FamilyMember(replace(tiny, name=f"m{n}", head_ch=32 + 8 * n)) for n in range(2)]
    alone = in_folder(session, tmp_path / "alone")
    wanted = train_family(alone, members, FamilyPlan())["members"]
    parallel = replace(in_folder(session, tmp_path / "parallel"), placement=two)
    found = train_family(parallel, members, FamilyPlan())["members"]
    for name in ("name", "test_accuracy", "validation_accuracy", "macs", "epochs"):
        assert [row[name] for row in found] == [row[name] for row in wanted]
    files = sorted(path.name for path in parallel.folder.family_path.iterdir())
    assert files == ["family.json", "m0.json", "m0.safetensors", "m1.json", "m1.safetensors"]
    ledger = json.loads(parallel.folder.ledger_path.read_text())
    assert ledger["family"]["cpu"] > 0
    assert not list(tmp_path.rglob("*.resume"))
