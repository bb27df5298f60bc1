"""How fast a sampler finds a good network: regret after every trial of a search on a problem."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler

from experiments.studies.at_once import AtOnce
from experiments.studies.problems import Problem

__all__ = ["GOALS", "MARKS", "Searched", "incumbent", "search_problem", "summary"]

GOALS = (1.0, 0.5, 0.25)  # percent of regret
MARKS = (50, 100, 200, 400)  # trials


@dataclass(frozen=True, slots=True)
class Searched:
    """Records a search: regret (%) of the incumbent after each trial, milliseconds to suggest.

    `at_once` is how many trials ran at a time; regret is by those that have ended.
    """

    problem: str
    sampler: str
    seed: int
    regret: tuple[float, ...]
    milliseconds: tuple[float, ...]
    at_once: int = 1

    def trials_to(self, goal: float) -> int:
        """Counts the trials until the regret was this small; one more than there were if never."""
        reached = (number for number, found in enumerate(self.regret, 1) if found <= goal)
        return next(reached, len(self.regret) + 1)

    def document(self) -> dict[str, Any]:
        """Returns what `Searched(**document)` takes."""
        return asdict(self)


def search_problem(
    problem: Problem,
    name: str,
    make: Callable[[int], BaseSampler],
    *,
    seed: int,
    trials: int,
    at_once: int = 1,
) -> Searched:
    """Searches a problem; the incumbent is what the sampler recommends, or the best measured."""
    sampler, rng = make(seed), np.random.default_rng(1000 + seed)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    asked = AtOnce(study, problem.space, trials=trials, at_once=at_once, seed=seed)
    regret = []
    for trial in asked:
        encoded = problem.space.encode(trial.params)
        macs, _ = problem.space.tables.count(encoded[None])
        study.tell(trial, problem.objective(problem.measure(encoded, rng), float(macs[0])))
        regret.append(problem.regret(problem.space.encode(incumbent(sampler, study))))
    return Searched(problem.name, name, seed, tuple(regret), tuple(asked.milliseconds), at_once)


def incumbent(sampler: BaseSampler, study: optuna.Study) -> dict[str, Any]:
    """Returns the parameters that a sampler recommends, or the best measured."""
    recommend = getattr(sampler, "recommend", None)
    found: dict[str, Any] = recommend(study) if recommend else study.best_params
    return found


def summary(searches: Sequence[Searched]) -> list[dict[str, Any]]:
    """Returns a row for each problem, sampler and number at once: medians over the seeds.

    Where several ran at once, with how many, and the trials to 1% over those of the first number
    of the sampler's (None where one of them did not get there).
    """
    groups: dict[tuple[str, str], dict[int, list[Searched]]] = {}
    for each in searches:
        numbers = groups.setdefault((each.problem, each.sampler), {})
        numbers.setdefault(each.at_once, []).append(each)
    rows = []
    for key, numbers in groups.items():
        first = next(iter(numbers.values()))
        for at_once, group in numbers.items():
            row = _row(*key, group)
            if any(each.at_once != 1 for each in searches):
                row |= {"at once": at_once, f"× to {GOALS[0]:g}%": _growth(first, group)}
            rows.append(row)
    return rows


def _growth(first: Sequence[Searched], group: Sequence[Searched]) -> float | None:
    """Returns how many times as many trials a group took to the first goal."""
    before, after = (_typical(each, GOALS[0]) for each in (first, group))
    if any(_typical(g, GOALS[0]) > min(len(e.regret) for e in g) for g in (first, group)):
        return None
    return round(after / before, 2)


def _typical(group: Sequence[Searched], goal: float) -> float:
    return statistics.median(each.trials_to(goal) for each in group)


def _row(problem: str, sampler: str, group: Sequence[Searched]) -> dict[str, Any]:
    row: dict[str, Any] = {"problem": problem, "sampler": sampler, "seeds": len(group)}
    for goal in GOALS:
        row[f"trials to {goal:g}%"] = _typical(group, goal)
    trials = min(len(each.regret) for each in group)
    for mark in (mark for mark in MARKS if mark <= trials):
        found = statistics.median(each.regret[mark - 1] for each in group)
        row[f"regret % at {mark}"] = round(found, 2)
    late = (statistics.median(each.milliseconds[trials // 2 :]) for each in group)
    row["ms to suggest"] = round(statistics.median(late), 1)
    return row
