"""Searches of a measured space along made-up learning curves: what halving spends, and gets.

No table holds accuracies along a training. A network's accuracy at a share s of its training is
taken to be less than the measured one by GAP·d·(s^−½ − 1), where d differs between networks by
a lognormal deviation of SPEED; the noise is s^−½ times that at the end.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler
from optuna.trial import Trial, TrialState

from experiments.studies.problems import NOISE, Problem
from experiments.studies.regret import incumbent
from nas.evaluation import Evaluation
from nas.halving import Halving, Rungs

__all__ = ["Spent", "curve_rows", "search_curves"]

GAP, SPEED = 0.02, 0.2
EVERY = 5  # trials between looks at what is recommended
GOALS = (1.5, 1.0, 0.75, 0.5)  # percent of regret


@dataclass(frozen=True, slots=True)
class Spent:
    """Records a search: regret (%) of what was recommended by the whole trainings spent so far."""

    spent: tuple[float, ...]
    regret: tuple[float, ...]
    trials: int

    def to(self, goal: float) -> float:
        """Returns what was spent when the regret was this small first; infinite if never."""
        pairs = zip(self.spent, self.regret, strict=True)
        return next((at for at, regret in pairs if regret <= goal), float("inf"))


def search_curves(
    problem: Problem,
    make: Callable[[int], BaseSampler],
    halving: Halving | None,
    *,
    seed: int,
    budget: float,
) -> Spent:
    """Searches until as much is spent as `budget` whole trainings take; without halving, whole."""
    sampler = make(seed)
    pruner = optuna.pruners.NopPruner() if halving is None else halving.pruner()
    study = optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        choice.name: optuna.distributions.CategoricalDistribution(choice.options)
        for choice in problem.space.choices
    }
    curves, spent, looks = _Curves(problem, halving, seed), 0.0, list[tuple[float, float]]()
    while spent < budget:
        trial = study.ask(distributions)
        spent += curves.tell(study, trial)
        if len(study.trials) % EVERY == 0 and study.get_trials(states=(TrialState.COMPLETE,)):
            looks.append((spent, problem.regret(problem.space.encode(incumbent(sampler, study)))))
    return Spent(tuple(at for at, _ in looks), tuple(r for _, r in looks), len(study.trials))


class _Curves:
    """Evaluates the networks of a problem along made-up learning curves."""

    def __init__(self, problem: Problem, halving: Halving | None, seed: int) -> None:
        self.problem, self.halving, self.seed = problem, halving, seed

    def tell(self, study: optuna.Study, trial: Trial) -> float:
        """Evaluates a trial and tells the study; returns the share of a training that it took."""
        encoded = self.problem.space.encode(trial.params)
        macs, _ = self.problem.space.tables.count(encoded[None])

        def reward(accuracy: float) -> float:
            return self.problem.objective(accuracy, float(macs[0]))

        found = self._accuracies(encoded, trial.number)
        if self.halving is None:
            study.tell(trial, reward(found[-1].accuracy))
            return 1.0
        rungs = Rungs(trial, self.halving, reward)
        for each in found[:-1]:
            if rungs.why_leave(each.accuracy, each.seconds, lambda: None):
                study.tell(trial, state=TrialState.PRUNED)
                return each.seconds
        study.tell(trial, rungs.tell(found[-1].accuracy, found[-1].seconds))
        return 1.0

    def _accuracies(self, encoded: np.ndarray, number: int) -> list[Evaluation]:
        """Returns a training's evaluations; `seconds` are its shares of a whole one."""
        own = np.random.default_rng(encoded.astype(np.uint32))
        rng = np.random.default_rng([self.seed, number])
        slow = GAP * float(np.exp(SPEED * own.normal()))
        true = float(self.problem.accuracy(encoded[None])[0])
        shares = (1.0,) if self.halving is None else self.halving.shares
        return [
            Evaluation(true - slow * (s**-0.5 - 1) + NOISE * s**-0.5 * rng.normal(), 0, 0, s, 0)
            for s in shares
        ]


def curve_rows(whole: Sequence[Spent], halved: Sequence[Spent]) -> list[dict[str, Any]]:
    """Returns the regret at the end, and whole trainings' worth spent to a goal, either way.

    Medians over the seeds; "never" where half of the searches did not get to a goal.
    """
    kinds = (whole, halved)
    plain, cut = (statistics.median(each.regret[-1] for each in kind) for kind in kinds)
    rows = [_row("regret % at the end", plain, cut, len(whole))]
    for goal in GOALS:
        plain, cut = (statistics.median(each.to(goal) for each in kind) for kind in kinds)
        rows.append(_row(f"spent to {goal:g}%", plain, cut, len(whole)))
    return rows


def _row(what: str, plain: float, cut: float, seeds: int) -> dict[str, Any]:
    return {
        "what": what,
        "whole trainings": _amount(plain),
        "with halving": _amount(cut),
        "ratio": _amount(cut / plain) if math.isfinite(plain) and plain else "–",
        "seeds": seeds,
    }


def _amount(spent: float) -> float | str:
    return round(spent, 2) if math.isfinite(spent) else "never"
