"""The whole job: search, scale, train, compare, export, report."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.arch import resolve_arch
from experiments.export import Exported
from experiments.export_step import export_arch
from experiments.final_step import FinalRow, fit_baselines, train_members, train_seeds
from experiments.results import write_results
from experiments.scale_step import GridPlan, candidates_of, run_grid, write_family
from experiments.search_step import run_search, search_plan
from experiments.session import WORK_OVERHEAD, Session
from scaling.family import Member, phi_ladder
from search_spaces.spec import ArchSpec

__all__ = ["RunPlan", "RunResult", "run_all"]


@dataclass(frozen=True, slots=True)
class RunPlan:
    """Says what follows the search: the grid, the family's φ, seeds, baselines, export formats."""

    grid: GridPlan
    phis: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0)
    seeds: int = 3
    baselines: bool = True
    formats: tuple[str, ...] = ("spec", "onnx", "safetensors")


@dataclass(frozen=True, slots=True)
class RunResult:
    """Holds what a run made: the base, its family, the final table and the files."""

    base: ArchSpec
    members: tuple[Member, ...]
    rows: list[FinalRow]
    exported: list[Exported]


def run_all(session: Session, plan: RunPlan) -> RunResult:
    """Does every step that has not been done, and writes results.json and report.html.

    Every step takes up what an earlier, interrupted call had finished.
    """
    folder, reporter = session.folder, session.reporter
    reporter.plan(_estimate(session, plan))
    reporter.step("Search")
    with folder.timed("search"):
        base = run_search(session)
    reporter.skip(_estimate_rest(session, plan))
    reporter.plan(_grid_work(session, base, plan.grid))
    reporter.step("Scale: α, β, γ")
    with folder.timed("grid"):
        ranked = run_grid(session, base, plan.grid)
    constants = ranked[0].candidate.constants
    members = phi_ladder(base, constants, plan.phis)
    write_family(folder, members)
    baselines = fit_baselines(base) if plan.baselines else ()
    reporter.plan(_final_work(session, plan, members, baselines))
    reporter.step("Train the family")
    with folder.timed("family"):
        rows = train_members(session, members, recipe=session.config.recipe, seeds=plan.seeds)
    if baselines:
        reporter.step("Train the baselines")
    with folder.timed("baselines"):
        rows += [
            train_seeds(
                session,
                spec,
                folder.baselines_path,
                role="baseline",
                recipe=session.config.recipe,
                seeds=plan.seeds,
            )
            for spec in baselines
        ]
    reporter.step("Export and report")
    with folder.timed("export"):
        exported = export_arch(resolve_arch(str(folder.path)), folder.export_path, plan.formats)
    write_results(folder, rows)
    return RunResult(base, members, rows, exported)


def _estimate(session: Session, plan: RunPlan) -> float:
    """Estimates the whole job before the base is known, from the target's MACs."""
    return search_plan(session) + _estimate_rest(session, plan)


def _estimate_rest(session: Session, plan: RunPlan) -> float:
    asked = session.config.search
    target = asked.target_macs if asked else 0.0
    images = len(session.data.train)
    grid = (
        (plan.grid.count or 100) * plan.grid.seeds * plan.grid.epochs * (2 * target + WORK_OVERHEAD)
    )
    runs: list[float] = [2.0**phi for phi in plan.phis] + [1.0] * (
        plan.seeds * (3 if plan.baselines else 1) - 1
    )
    final = sum(ratio * target + WORK_OVERHEAD for ratio in runs) * session.config.recipe.epochs
    return images * (grid + final)


def _grid_work(session: Session, base: ArchSpec, plan: GridPlan) -> float:
    chosen = candidates_of(base, plan)
    return sum(session.work(c.spec, plan.epochs) * plan.seeds for c in chosen)


def _final_work(
    session: Session, plan: RunPlan, members: tuple[Member, ...], baselines: tuple[ArchSpec, ...]
) -> float:
    epochs = session.config.recipe.epochs
    specs = [member.spec for member in members for _ in range(1 if member.phi else plan.seeds)]
    specs += [spec for spec in baselines for _ in range(plan.seeds)]
    return sum(session.work(spec, epochs) for spec in specs)
