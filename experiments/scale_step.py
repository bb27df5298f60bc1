"""The scaling step: α, β, γ candidates listed, trained and ranked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.arch import Arch
from experiments.config import TrainingConfig
from experiments.family_step import base_document
from experiments.grid_outcome import Outcome, constants_document, grid_row, named, without_nan
from experiments.inheriting import base_start, heir
from experiments.parallel.ahead import prefetch
from experiments.parallel.jobs import evaluation_job
from experiments.racing import exhaustive_outcome, raced_outcome
from experiments.session import Session
from nas.evaluation import Evaluation
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
from scaling.race import RacePlan
from search_spaces.errors import RunError
from search_spaces.resize import ROUNDING, Rounding
from search_spaces.spec import ArchSpec

__all__ = [
    "GridPlan",
    "candidates_document",
    "candidates_of",
    "grid_command",
    "grid_folder",
    "grid_work",
    "run_grid",
    "train_candidate",
]


@dataclass(frozen=True, slots=True)
class GridPlan:
    """Says which grid is trained: `count` candidates (None: all), `seeds` and `epochs` of each.

    With `race` at most a third of that is trained, more of the candidates that may be the best.
    """

    grid: GridRange
    epochs: int
    count: int | None = None
    seeds: int = 1
    rounding: Rounding = ROUNDING
    race: bool = False

    def as_race(self, images: int | None = None) -> RacePlan:
        """Returns how much of the grid's training a race may spend; `images`: of a validation."""
        product = self.grid.product
        return RacePlan(self.epochs, self.seeds, target_ratio=product, images=images)


def candidates_of(base: ArchSpec, plan: GridPlan) -> tuple[Candidate, ...]:
    """Returns the candidates to train: one a network, spread over the range if not all are."""
    return _picked(candidates(base, plan.grid, rounding=plan.rounding), plan)


def _picked(found: tuple[Candidate, ...], plan: GridPlan) -> tuple[Candidate, ...]:
    left = distinct(found, product=plan.grid.product)
    return left if plan.count is None else spread(left, plan.count)


def run_grid(
    session: Session, base: ArchSpec, plan: GridPlan, *, trained: Path | None = None
) -> Outcome:
    """Trains the candidates, all or in a race; writes grid.parquet and constants.json.

    Candidates grow from the weights of the base's checkpoint `trained`, where that is given.
    """
    train_all = _raced if plan.race else _exhaustive
    outcome = train_all(session, candidates_of(base, plan), plan, trained)
    folder = session.folder
    rows = [grid_row(outcome, number, plan) for number in outcome.ranked]
    folder.write_table(folder.grid_path, rows)
    document = constants_document(base, outcome, plan)
    if trained is not None:
        document["inherited_from"] = str(trained)
    folder.write_json(folder.constants_path, document)
    return outcome


def grid_work(session: Session, base: ArchSpec, plan: GridPlan) -> float:
    """Returns the work of a grid, for the time left; a race takes at most its share."""
    each = sum(session.work(c.spec, plan.epochs) for c in candidates_of(base, plan))
    return each * plan.seeds * (plan.as_race().share if plan.race else 1)


def _exhaustive(
    session: Session, chosen: tuple[Candidate, ...], plan: GridPlan, trained: Path | None
) -> Outcome:
    entries = [(c, plan.epochs, index) for c in chosen for index in range(plan.seeds)]
    _train_ahead(session, entries, trained)
    results: list[GridResult] = []
    for number, candidate in enumerate(chosen, 1):
        place = f"{number}/{len(chosen)}"
        results.append(_run_candidate(session, candidate, plan, place, trained))
        session.reporter.best(_best_so_far(results, plan))
    if all(math.isnan(result.mean) for result in results):
        raise RunError("every candidate of the grid failed; the messages above say why")
    images, product = len(session.data.validation), plan.grid.product
    return exhaustive_outcome(results, epochs=plan.epochs, target_ratio=product, images=images)


def _raced(
    session: Session, chosen: tuple[Candidate, ...], plan: GridPlan, trained: Path | None
) -> Outcome:
    planned = sum(session.work(c.spec, plan.epochs) for c in chosen) * plan.seeds
    left = planned * plan.as_race().share

    def train(candidate: Candidate, place: str, epochs: int, index: int) -> Evaluation | None:
        nonlocal left
        left -= session.work(candidate.spec, epochs)
        return train_candidate(
            session, candidate, place, epochs=epochs, index=index, trained=trained
        )

    outcome = raced_outcome(
        chosen, train, plan.as_race(len(session.data.validation)),
        ahead=lambda entries: _train_ahead(session, entries, trained),
    )  # fmt: skip
    if left > 0:
        session.reporter.skip(left)
    return outcome


def _train_ahead(
    session: Session, entries: Iterable[tuple[Candidate, int, int]], trained: Path | None
) -> None:
    """Trains candidates, for so many epochs with the seed of that number, where in parallel."""
    if session.placement is None:
        return
    jobs = [
        evaluation_job(
            session, candidate.spec, seed=_seed(session, index), epochs=epochs,
            name=f"{named(candidate)}, {epochs} epochs, seed {index + 1}",
            start=_start(candidate, trained),
        )
        for candidate, epochs, index in entries
    ]  # fmt: skip
    prefetch(session, jobs)


def _seed(session: Session, index: int) -> int:
    return derive_seed(session.config.seed, "grid", index)


def _start(candidate: Candidate, trained: Path | None) -> TrainingConfig | None:
    return None if trained is None else heir(candidate.spec, trained)


def _best_so_far(results: list[GridResult], plan: GridPlan) -> str:
    best = rank(results, target_ratio=plan.grid.product)[0]
    score = grid_score(best.mean, best.candidate.macs_ratio, target_ratio=plan.grid.product)
    return f"{named(best.candidate)}, score {score:.4f}"


def _run_candidate(
    session: Session, candidate: Candidate, plan: GridPlan, place: str, trained: Path | None
) -> GridResult:
    accuracies, seconds = [], 0.0
    for index in range(plan.seeds):
        evaluation = train_candidate(
            session, candidate, place, epochs=plan.epochs, index=index, trained=trained
        )
        if evaluation is None:
            break
        accuracies.append(evaluation.accuracy)
        seconds += evaluation.seconds
    whole = len(accuracies) == plan.seeds
    return GridResult(candidate, tuple(accuracies) if whole else (), seconds)


def train_candidate(
    session: Session,
    candidate: Candidate,
    place: str,
    *,
    epochs: int,
    index: int,
    trained: Path | None = None,
) -> Evaluation | None:
    """Trains a candidate with the grid's seed of that number, or looks it up; None: it failed.

    It grows from the weights of the base's checkpoint `trained`, where that is given.
    """
    seed, start = _seed(session, index), _start(candidate, trained)
    known = session.is_known(candidate.spec, seed=seed, epochs=epochs, start=start)
    try:
        evaluation = session.evaluate(candidate.spec, seed=seed, epochs=epochs, start=start)
    except RunError as error:
        session.reporter.note(f"candidate {place} ({named(candidate)}) failed: {error}")
        return None
    text = f"candidate {place}: {named(candidate)}, MACs ×{candidate.macs_ratio:.2f}, "
    session.reporter.finish(
        session.work(candidate.spec, epochs),
        f"{text}accuracy {evaluation.accuracy:.1%}",
        now=not known,
    )
    return evaluation


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
    count, how = len(candidates_of(base, plan)), "race" if plan.race else "grid"
    session.reporter.plan(grid_work(session, base, plan))
    session.reporter.step(f"Scale {base.name}: a {how} of {count} candidates")
    with session.folder.timed("grid"):
        trained = base_start(session, base, plan.epochs, checkpoint) if inherits else None
        outcome = run_grid(session, base, plan, trained=trained)
    return {
        "constants": json.loads(session.folder.constants_path.read_text()),
        "candidates": [without_nan(grid_row(outcome, n, plan)) for n in outcome.ranked],
        "paths": {
            "constants": str(session.folder.constants_path),
            "grid": str(session.folder.grid_path),
        },
    }
