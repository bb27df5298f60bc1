"""The scaling step: α, β, γ candidates trained and ranked, and the family that follows."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.amounts import parse_count
from experiments.arch import Arch
from experiments.inheriting import base_start, heir
from experiments.session import Session
from experiments.store import RunFolder
from nas.search import derive_seed
from scaling.compound import PAPER, Constants
from scaling.family import Member, macs_ladder, parse_phis, phi_ladder
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
from search_spaces.codec import fingerprint, spec_to_json
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.spec import ArchSpec

__all__ = [
    "GridPlan",
    "candidates_document",
    "candidates_of",
    "family_document",
    "grid_command",
    "grid_folder",
    "run_grid",
    "write_family",
]


@dataclass(frozen=True, slots=True)
class GridPlan:
    """Says which grid is trained: `count` candidates (None: all), `seeds` and `epochs` of each."""

    grid: GridRange
    epochs: int
    count: int | None = None
    seeds: int = 1


def candidates_of(base: ArchSpec, plan: GridPlan) -> tuple[Candidate, ...]:
    """Returns the candidates to train: one a network, spread over the range if not all are."""
    found = distinct(candidates(base, plan.grid), product=plan.grid.product)
    return found if plan.count is None else spread(found, plan.count)


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
        "base": {"name": base.name, "fingerprint": fingerprint(base)},
    }


def _known_constants(folder: RunFolder, base: ArchSpec) -> Constants | None:
    """Reads the constants that a grid on this base found, or returns None."""
    path = folder.constants_path
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text())
        if document["base"]["fingerprint"] != fingerprint(base):
            return None
        return Constants(document["alpha"], document["beta"], document["gamma"])
    except (json.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{path}: cannot be read; run `nas scale --grid` again") from None


def write_family(folder: RunFolder, members: tuple[Member, ...]) -> None:
    """Writes a spec a member, named by its φ, and the family's table."""
    for member in members:
        path = folder.family_path / f"{member.name}.json"
        folder.write_json(path, json.loads(spec_to_json(member.spec)))
    folder.write_json(folder.family_path / "family.json", [m.as_row() for m in members])


def candidates_document(base: ArchSpec, plan: GridPlan) -> dict[str, Any]:
    """Lists the grid's candidates, with what each would really cost, without training."""
    found = candidates(base, plan.grid)
    chosen = {candidate.constants for candidate in candidates_of(base, plan)}
    return {
        "base": _base_document(base),
        "points": plan.grid.size,
        "candidates": [{**c.as_row(), "trained": c.constants in chosen} for c in found],
    }


def _base_document(base: ArchSpec) -> dict[str, Any]:
    counted = cost(base)
    return {
        "name": base.name,
        "fingerprint": fingerprint(base),
        "macs": counted.macs,
        "params": counted.params,
        "resolution": base.resolution,
    }


def family_document(
    arch: Arch,
    spec: ArchSpec,
    *,
    phi: str | None = None,
    target_macs: str | None = None,
    constants: str | None = None,
    out: Path | None = None,
) -> dict[str, Any]:
    """Lists a family by φ or by MACs targets; writes its specs into `out` or the run's folder."""
    if phi is not None and target_macs is not None:
        raise InputError("--phi and --target-macs both say which members; give one of them")
    chosen, source = _chosen_constants(arch, spec, constants)
    if target_macs is not None:
        targets = [round(parse_count(part)) for part in target_macs.split(",")]
        members = macs_ladder(spec, chosen, targets)
    else:
        members = phi_ladder(spec, chosen, parse_phis(phi or "0:3"))
    folder = RunFolder(out) if out is not None else arch.run
    if folder is not None:
        write_family(folder, members)
    return {
        "base": _base_document(spec),
        "constants": {**chosen.as_dict(), "product": chosen.product, "source": source},
        "members": [member.as_row() for member in members],
        "path": None if folder is None else str(folder.family_path),
    }


def _chosen_constants(arch: Arch, spec: ArchSpec, constants: str | None) -> tuple[Constants, str]:
    if constants is not None:
        return Constants.parse(constants), "given"
    found = _known_constants(arch.run, spec) if arch.run else None
    if found is not None:
        return found, "this run's grid"
    return PAPER, "EfficientNet's paper"


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
