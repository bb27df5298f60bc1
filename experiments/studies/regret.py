"""How fast a sampler finds a good network: regret after every trial of a search on a problem."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from experiments.studies.problems import Problem

__all__ = ["GOALS", "MARKS", "Searched", "incumbent", "search_problem", "summary"]

GOALS = (1.0, 0.5, 0.25)  # percent of regret
MARKS = (50, 100, 200, 400)  # trials


@dataclass(frozen=True, slots=True)
class Searched:
    """Records a search: regret (%) of the incumbent after each trial, milliseconds to suggest."""

    problem: str
    sampler: str
    seed: int
    regret: tuple[float, ...]
    milliseconds: tuple[float, ...]

    def trials_to(self, goal: float) -> int:
        """Counts the trials until the regret was this small; one more than there were if never."""
        reached = (number for number, found in enumerate(self.regret, 1) if found <= goal)
        return next(reached, len(self.regret) + 1)

    def document(self) -> dict[str, Any]:
        """Returns what `Searched(**document)` takes."""
        return asdict(self)


def search_problem(
    problem: Problem, name: str, make: Callable[[int], BaseSampler], *, seed: int, trials: int
) -> Searched:
    """Searches a problem; the incumbent is what the sampler recommends, or the best measured."""
    sampler, rng = make(seed), np.random.default_rng(1000 + seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        choice.name: optuna.distributions.CategoricalDistribution(choice.options)
        for choice in problem.space.choices
    }
    regret, milliseconds = [], []
    for _ in range(trials):
        start = time.perf_counter()
        trial = study.ask(distributions)
        milliseconds.append(1000 * (time.perf_counter() - start))
        encoded = problem.space.encode(trial.params)
        macs, _ = problem.space.tables.count(encoded[None])
        study.tell(trial, problem.objective(problem.measure(encoded, rng), float(macs[0])))
        regret.append(problem.regret(problem.space.encode(incumbent(sampler, study))))
    return Searched(problem.name, name, seed, tuple(regret), tuple(milliseconds))


def incumbent(sampler: BaseSampler, study: optuna.Study) -> dict[str, Any]:
    """Returns the parameters that a sampler recommends, or the best measured."""
    recommend = getattr(sampler, "recommend", None)
    found: dict[str, Any] = recommend(study) if recommend else study.best_params
    return found


def summary(searches: Sequence[Searched]) -> list[dict[str, Any]]:
    """Returns a row for each problem and sampler: medians over the seeds."""
    groups: dict[tuple[str, str], list[Searched]] = {}
    for each in searches:
        groups.setdefault((each.problem, each.sampler), []).append(each)
    return [_row(*key, group) for key, group in groups.items()]


def _row(problem: str, sampler: str, group: Sequence[Searched]) -> dict[str, Any]:
    row: dict[str, Any] = {"problem": problem, "sampler": sampler, "seeds": len(group)}
    for goal in GOALS:
        row[f"trials to {goal:g}%"] = statistics.median(each.trials_to(goal) for each in group)
    trials = min(len(each.regret) for each in group)
    for mark in (mark for mark in MARKS if mark <= trials):
        found = statistics.median(each.regret[mark - 1] for each in group)
        row[f"regret % at {mark}"] = round(found, 2)
    late = (statistics.median(each.milliseconds[trials // 2 :]) for each in group)
    row["ms to suggest"] = round(statistics.median(late), 1)
    return row
