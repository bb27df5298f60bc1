"""The search in this process: one network after another is asked for, evaluated and told.

`nas.asking.Asking` is the same search for any number of workers.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from optuna import TrialPruned
from optuna.study import Study

from nas.asking import Asking, give_up_running
from nas.costs import Costing
from nas.evaluation import Evaluation, Evaluator
from nas.halving import Staged
from nas.jobs import Job
from nas.objective import Goal
from nas.plan import Plan
from nas.seeds import derive_seed
from nas.suggesting import SamplerFactory, Suggesting
from nas.tally import Budget
from nas.trials import TrialRecord, records
from search_spaces.space import SearchSpace

__all__ = [
    "Budget",
    "SamplerFactory",
    "TrialRecord",
    "derive_seed",
    "give_up_running",
    "records",
    "search",
]


def search(
    study: Study,
    space: SearchSpace,
    evaluate: Evaluator | Staged,
    goal: Goal,
    *,
    sampler: SamplerFactory,
    budget: Budget,
    seed: int = 0,
    on_trial: Callable[[TrialRecord], None] | None = None,
    costing: Costing | None = None,
    ceiling: float | None = None,
) -> list[TrialRecord]:
    """Evaluates networks of `space` until the budget is spent; returns all of the study's trials.

    A network that was evaluated before, under whatever choices, takes that result and does not
    count. One that `costing` finds over a limit is refused: not trained, and not counted. So is
    one that cannot win even with an accuracy of `ceiling`, where its reward's factor is exact.
    A `Staged` evaluation that falls behind is left, and counts: it is a trial that was pruned.
    Raises `RunError` after five evaluations in a row that failed, or 200 networks in a row that
    were refused; `InputError` where a user's own reward makes no sense.
    """
    suggesting = Suggesting(
        study, costing or Costing(space), goal, sampler, seed=seed, ceiling=ceiling
    )
    halving = evaluate.halving if isinstance(evaluate, Staged) else None
    asking = Asking(
        suggesting, goal,
        budget=budget, plan=Plan(halving=halving), on_trial=on_trial, clock=time.perf_counter,
    )  # fmt: skip
    while (job := asking.next()) is not None:
        _run(asking, job, evaluate)
    return records(study, space)


def _run(asking: Asking, job: Job, evaluate: Evaluator | Staged) -> None:
    """Does a job, and tells what became of it."""
    try:
        evaluation = _evaluation(asking, job, evaluate)
    except TrialPruned as pruned:
        asking.left(job, str(pruned))
    except Exception as error:  # noqa: BLE001 (a trial's fault is recorded; the search goes on)
        asking.failed(job, f"{type(error).__name__}: {error}")
    else:
        asking.finished(job, evaluation)


def _evaluation(asking: Asking, job: Job, evaluate: Evaluator | Staged) -> Evaluation:
    if not isinstance(evaluate, Staged):
        return evaluate(job.spec, seed=job.seed)
    return evaluate.run(
        job.spec,
        seed=job.seed,
        rung=lambda found: asking.rung(job, found.accuracy, found.seconds),
    )
