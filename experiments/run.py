"""The whole job: search, scale, train, compare, export."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.arch import resolve_arch
from experiments.export import Exported
from experiments.export_step import export_arch
from experiments.family_step import member_rows, write_family
from experiments.final_step import (
    Final,
    FinalRow,
    fit_baselines,
    train_ahead,
    train_members,
    train_seeds,
)
from experiments.results import write_results
from experiments.scale_step import GridPlan, grid_work, run_grid
from experiments.search_step import run_search, search_work, typical_spec
from experiments.session import Session
from scaling.compound import PAPER, Constants
from scaling.family import Member, phi_ladder
from scaling.fits import Machine
from search_spaces.spec import ArchSpec

__all__ = ["RunPlan", "RunResult", "run_all"]


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Says what follows the search: the grid, the family's φ, seeds, baselines, export formats.

    φ = 0 is always among the members: the base is what everything else is held against.
    """

    grid: GridPlan
    phis: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0)
    seeds: int = 3
    baselines: bool = True
    formats: tuple[str, ...] = ("spec", "onnx", "safetensors")

    def __post_init__(self) -> None:
        if 0 not in self.phis:
            object.__setattr__(self, "phis", (0.0, *self.phis))


@dataclass(frozen=True, slots=True)
class RunResult:
    """Holds what a run made: the base, its family, the final table and the files."""

    base: ArchSpec
    members: tuple[Member, ...]
    rows: list[FinalRow]
    exported: list[Exported]


def run_all(session: Session, plan: RunPlan) -> RunResult:
    """Does every step that has not been done, and writes results.json.

    Every step takes up what an earlier, interrupted call had finished.
    """
    reporter = session.reporter
    typical = typical_spec(session)
    guessed = grid_work(session, typical, plan.grid) + _final_work(session, typical, PAPER, plan)
    reporter.plan(search_work(session) + guessed)
    base = _search(session)
    reporter.skip(guessed)
    reporter.plan(grid_work(session, base, plan.grid) + _final_work(session, base, PAPER, plan))
    constants = _scale(session, base, plan)
    reporter.skip(_final_work(session, base, PAPER, plan))
    reporter.plan(_final_work(session, base, constants, plan))
    members = _members(session, base, constants, plan)
    recipe = session.config.recipe
    machine = Machine(session.device.torch.type, batch=recipe.batch_size)
    described = member_rows(members, base, machine=machine, recipe=recipe)
    write_family(session.folder, members, described)
    rows = _family(session, members, base, plan) + _baselines(session, base, plan)
    write_results(session.folder, rows)
    return RunResult(base, members, rows, _export(session, plan))


def _search(session: Session) -> ArchSpec:
    session.reporter.step("Search")
    with session.folder.timed("search"):
        return run_search(session)


def _scale(session: Session, base: ArchSpec, plan: RunPlan) -> Constants:
    session.reporter.step("Scale: α, β, γ")
    with session.folder.timed("grid"):
        return run_grid(session, base, plan.grid).best.candidate.constants


def _members(
    session: Session, base: ArchSpec, constants: Constants, plan: RunPlan
) -> tuple[Member, ...]:
    grow = session.config.recipe.grow
    return phi_ladder(base, constants, plan.phis, rounding=plan.grid.rounding, grow=grow)


def _family(
    session: Session, members: tuple[Member, ...], base: ArchSpec, plan: RunPlan
) -> list[FinalRow]:
    session.reporter.step("Train the family")
    with session.folder.timed("family"):
        return train_members(
            session, members, base=base, recipe=session.config.recipe, seeds=plan.seeds
        )


def _baselines(session: Session, base: ArchSpec, plan: RunPlan) -> list[FinalRow]:
    if not plan.baselines:
        return []
    session.reporter.step("Train the baselines")
    folder, recipe, specs = session.folder, session.config.recipe, fit_baselines(base)
    with folder.timed("baselines"):
        path = folder.baselines_path
        train_ahead(session, [Final(s, s.name, path, recipe, plan.seeds) for s in specs])
        return [
            train_seeds(session, spec, path, role="baseline", recipe=recipe, seeds=plan.seeds)
            for spec in specs
        ]


def _export(session: Session, plan: RunPlan) -> list[Exported]:
    session.reporter.step("Export")
    with session.folder.timed("export"):
        arch = resolve_arch(str(session.folder.path))
        return export_arch(arch, session.folder.export_path, plan.formats)


def _final_work(session: Session, base: ArchSpec, constants: Constants, plan: RunPlan) -> float:
    epochs = session.config.recipe.epochs
    specs = [
        member.spec
        for member in _members(session, base, constants, plan)
        for _ in range(1 if member.phi else plan.seeds)
    ]
    if plan.baselines:
        specs += [spec for spec in fit_baselines(base) for _ in range(plan.seeds)]
    return sum(session.work(spec, epochs) for spec in specs)
