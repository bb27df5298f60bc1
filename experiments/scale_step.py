"""The scaling step: α, β, γ candidates listed, trained and ranked."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.arch import Arch
from experiments.family_step import base_document
from experiments.inheriting import base_start, heir
from experiments.session import Session
from nas.search import derive_seed
from scaling.grid import (
    Candidate,
    GridRange,
    GridResult,
    candidates,
    distinct,
    grid_score,
    rank,
    spread,
)
from search_spaces.codec import fingerprint
from search_spaces.errors import RunError
from search_spaces.resize import ROUNDING, Rounding
from search_spaces.spec import ArchSpec

__all__ = [
    "GridPlan",
    "candidates_document",
    "candidates_of",
    "grid_command",
    "grid_folder",
    "run_grid",
]


@dataclass(frozen=True, slots=True)
class GridPlan:
    """Says which grid is trained: `count` candidates (None: all), `seeds` and `epochs` of each."""

    grid: GridRange
    epochs: int
    count: int | None = None
    seeds: int = 1
    rounding: Rounding = ROUNDING


def candidates_of(base: ArchSpec, plan: GridPlan) -> tuple[Candidate, ...]:
    """Returns the candidates to train: one a network, spread over the range if not all are."""
    return _picked(candidates(base, plan.grid, rounding=plan.rounding), plan)


def _picked(found: tuple[Candidate, ...], plan: GridPlan) -> tuple[Candidate, ...]:
    left = distinct(found, product=plan.grid.product)
    return left if plan.count is None else spread(left, plan.count)


def run_grid(
    session: Session, base: ArchSpec, plan: GridPlan, *, trained: Path | None = None
) -> tuple[GridResult, ...]:
    """Trains every candidate, ranks them, writes grid.parquet and constants.json; best first.

    Candidates grow from the weights of the base's checkpoint `trained`, where that is given.
    """
    chosen = candidates_of(base, plan)
    total = len(chosen)
    results: list[GridResult] = []
    for number, candidate in enumerate(chosen, 1):
        results.append(_run_candidate(session, candidate, plan, f"{number}/{total}", trained))
        session.reporter.best(_best_so_far(results, plan))
    ranked = rank(results, target_ratio=plan.grid.product)
    if math.isnan(ranked[0].mean):
        raise RunError("every candidate of the grid failed; the messages above say why")
    folder = session.folder
    folder.write_table(folder.grid_path, [_row(result, plan) for result in ranked])
    document = _constants(base, ranked, plan)
    if trained is not None:
        document["inherited_from"] = str(trained)
    folder.write_json(folder.constants_path, document)
    return ranked


def _best_so_far(results: list[GridResult], plan: GridPlan) -> str:
    best = rank(results, target_ratio=plan.grid.product)[0]
    return f"{_named(best.candidate)}, score {_score(best, plan):.4f}"


def _named(candidate: Candidate) -> str:
    constants = candidate.constants
    return f"α {constants.alpha:g}, β {constants.beta:g}, γ {constants.gamma:g}"


def _run_candidate(
    session: Session,
    candidate: Candidate,
    plan: GridPlan,
    place: str,
    trained: Path | None,
) -> GridResult:
    accuracies, seconds = [], 0.0
    start = None if trained is None else heir(candidate.spec, trained)
    name = _named(candidate)
    for index in range(plan.seeds):
        seed = derive_seed(session.config.seed, "grid", index)
        known = session.is_known(candidate.spec, seed=seed, epochs=plan.epochs, start=start)
        try:
            evaluation = session.evaluate(
                candidate.spec, seed=seed, epochs=plan.epochs, start=start
            )
        except RunError as error:
            session.reporter.note(f"candidate {place} ({name}) failed: {error}")
            break
        accuracies.append(evaluation.accuracy)
        seconds += evaluation.seconds
        text = f"candidate {place}: {name}, MACs ×{candidate.macs_ratio:.2f}, "
        session.reporter.finish(
            session.work(candidate.spec, plan.epochs),
            f"{text}accuracy {evaluation.accuracy:.1%}",
            now=not known,
        )
    whole = len(accuracies) == plan.seeds
    return GridResult(candidate, tuple(accuracies) if whole else (), seconds)


def _row(result: GridResult, plan: GridPlan) -> dict[str, Any]:
    candidate = result.candidate
    return {
        **candidate.as_row(),
        "accuracy": result.mean,
        "deviation": result.deviation,
        "seeds": result.n,
        "score": _score(result, plan),
        "seconds": result.seconds,
    }


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    """Returns a row as JSON can hold it."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


def _score(result: GridResult, plan: GridPlan) -> float:
    return grid_score(result.mean, result.candidate.macs_ratio, target_ratio=plan.grid.product)


def _constants(base: ArchSpec, ranked: tuple[GridResult, ...], plan: GridPlan) -> dict[str, Any]:
    best = ranked[0]
    return {
        **best.candidate.constants.as_dict(),
        "product": best.candidate.product,
        "macs_ratio": best.candidate.macs_ratio,
        "accuracy": best.mean,
        "deviation": None if math.isnan(best.deviation) else best.deviation,
        "seeds": best.n,
        "score": _score(best, plan),
        "candidates": len(ranked),
        "epochs": plan.epochs,
        "grid": asdict(plan.grid),
        "rounding": asdict(plan.rounding),
        "base": {"name": base.name, "fingerprint": fingerprint(base)},
    }


def candidates_document(base: ArchSpec, plan: GridPlan) -> dict[str, Any]:
    """Lists the grid's candidates, with what each would really cost, without training."""
    found = candidates(base, plan.grid, rounding=plan.rounding)
    chosen = {candidate.constants for candidate in _picked(found, plan)}
    return {
        "base": base_document(base),
        "points": plan.grid.size,
        "networks": len(distinct(found, product=plan.grid.product)),
        "grid": asdict(plan.grid),
        "rounding": asdict(plan.rounding),
        "candidates": [{**c.as_row(), "trained": c.constants in chosen} for c in found],
    }


def grid_folder(arch: Arch, out: Path | None) -> Path:
    """Returns the folder that a grid writes to: the one asked for, the run's, or a new one."""
    if out is not None:
        return out
    return arch.run.path if arch.run else Path("runs") / f"scale-{arch.spec.name}"


def grid_command(
    session: Session,
    spec: ArchSpec,
    plan: GridPlan,
    *,
    inherits: bool = False,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """Trains the grid of a base on the session's data; returns constants and ranked table.

    With `inherits`, candidates grow from the base: from its `checkpoint` where that was trained on
    this data, else it is trained first for as many epochs as a candidate.
    """
    base = replace(spec, num_classes=session.data.num_classes)
    chosen = candidates_of(base, plan)
    session.reporter.plan(sum(session.work(c.spec, plan.epochs) * plan.seeds for c in chosen))
    session.reporter.step(f"Scale {base.name}: {len(chosen)} candidates")
    with session.folder.timed("grid"):
        trained = base_start(session, base, plan.epochs, checkpoint) if inherits else None
        ranked = run_grid(session, base, plan, trained=trained)
    return {
        "constants": json.loads(session.folder.constants_path.read_text()),
        "candidates": [_without_nan(_row(result, plan)) for result in ranked],
        "paths": {
            "constants": str(session.folder.constants_path),
            "grid": str(session.folder.grid_path),
        },
    }
