"""The trials of a run: a study's search, its trainings kept, its table written."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from optuna.study import Study

from experiments.config import SearchConfig
from experiments.halving import staged
from experiments.search_display import SearchDisplay
from experiments.search_results import trial_rows
from experiments.session import Session
from nas.costs import Costing
from nas.evaluation import Evaluation, Evaluator
from nas.halving import Staged
from nas.objective import Objective
from nas.samplers import sampler_factory
from nas.search import Budget, SamplerFactory, derive_seed, search
from nas.trials import TrialRecord, records
from search_spaces.spec import ArchSpec

__all__ = ["Searching", "random_trials", "run_trials"]

RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Searching:
    """Holds what the studies of a run share; `unit` is the work that one trial is planned as."""

    session: Session
    asked: SearchConfig
    costing: Costing
    objective: Objective
    unit: float


def run_trials(
    searching: Searching,
    study: Study,
    sampler: SamplerFactory,
    path: Path,
    *,
    label: str = "trial",
) -> list[TrialRecord]:
    """Searches until the budget is spent; writes the table at `path`, however that ends."""
    session, asked, space = searching.session, searching.asked, searching.costing.space
    display = SearchDisplay(
        session.reporter, asked, searching.objective, unit=searching.unit, label=label
    )
    for record in records(study, space):
        display.resume(record)

    try:
        trials = search(
            study, space, _evaluator(searching, display), searching.objective,
            sampler=sampler,
            budget=Budget(asked.trials, asked.seconds, asked.train_seconds),
            seed=session.config.seed,
            on_trial=display.trial,
            costing=searching.costing,
            ceiling=asked.ceiling,
        )  # fmt: skip
    finally:
        session.folder.write_table(path, trial_rows(records(study, space)))
    display.ended()
    return trials


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


def random_trials(searching: Searching) -> list[TrialRecord]:
    """Searches at random with the same budget, in a study of its own.

    A network that the search trained already is looked up: it has the same training seed here.
    """
    session = searching.session
    session.reporter.step("Random search of the same budget")
    make = sampler_factory("random")
    return run_trials(
        searching,
        session.folder.study(RANDOM),
        lambda seed: make(derive_seed(seed, "baseline")),
        session.folder.random_path,
        label="random trial",
    )
