"""The trials of a run: a study's search, its trainings kept, its table written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from optuna.study import Study

from experiments.config import SearchConfig
from experiments.halving import staged
from experiments.search_display import SearchDisplay
from experiments.search_results import trial_rows
from experiments.session import Session
from nas.asking import Asking, give_up_running
from nas.costs import Costing
from nas.evaluation import Evaluation, Evaluator
from nas.halving import Staged
from nas.objective import Goal
from nas.search import Budget, SamplerFactory, search
from nas.suggesting import Suggesting
from nas.trials import TrialRecord, records
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec

__all__ = ["Searching", "run_trials"]


@dataclass(frozen=True, slots=True)
class Searching:
    """Holds what the studies of a run share; `unit` is the work that one trial is planned as."""

    session: Session
    asked: SearchConfig
    costing: Costing
    goal: Goal
    unit: float


def run_trials(
    searching: Searching,
    study: Study,
    sampler: SamplerFactory,
    path: Path,
    *,
    label: str,
    seed: int,
    table: Callable[[list[TrialRecord]], list[dict[str, Any]]] = trial_rows,
) -> list[TrialRecord]:
    """Searches until the budget is spent; writes the `table` of the trials, however that ends."""
    session, asked, space = searching.session, searching.asked, searching.costing.space
    display = SearchDisplay(
        session.reporter, asked, searching.goal, unit=searching.unit, label=label
    )
    for record in records(study, space):
        display.resume(record)

    try:
        _search(searching, study, sampler, display, label=label, seed=seed)
    finally:
        session.folder.write_table(path, table(records(study, space)))
    display.ended()
    return records(study, space)


def _search(
    searching: Searching,
    study: Study,
    sampler: SamplerFactory,
    display: SearchDisplay,
    *,
    label: str,
    seed: int,
) -> None:
    """Searches in this process, or with the workers that the session has."""
    session, asked, costing = searching.session, searching.asked, searching.costing
    budget = Budget(asked.trials, asked.seconds, asked.train_seconds)
    if session.placement is None:
        search(
            study, costing.space, _evaluator(searching, display), searching.goal,
            sampler=sampler, budget=budget, seed=seed, on_trial=display.trial, costing=costing,
            ceiling=asked.ceiling,
        )  # fmt: skip
        return
    from experiments.search_jobs import known_training, plan_of, run_search_jobs  # noqa: PLC0415

    asking = Asking(
        Suggesting(study, costing, searching.goal, sampler, seed=seed, ceiling=asked.ceiling),
        searching.goal,
        budget=budget,
        plan=plan_of(session, asked, label=label),
        on_trial=display.trial,
        on_start=display.running,
        kept=lambda job: known_training(session, job),
    )
    try:
        run_search_jobs(asking, session, asked, session.placement)
    except (KeyboardInterrupt, RunError):
        give_up_running(study)  # also what no worker had yet
        raise


def _evaluator(searching: Searching, display: SearchDisplay) -> Evaluator | Staged:
    session, asked, unit = searching.session, searching.asked, searching.unit
    if asked.halving is not None:
        return staged(session, asked, unit=unit, name=lambda: display.next_name)

    def evaluate(spec: ArchSpec, *, seed: int) -> Evaluation:
        spec = replace(spec, name=display.next_name)
        return session.evaluate(
            spec, seed=seed, epochs=asked.epochs, planned=unit, limit=asked.trial_seconds
        )

    return evaluate
