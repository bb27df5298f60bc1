"""How long a sampler takes to suggest while many trials run: by real asks, all of them or a few."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState, create_trial

from nas.costs import Costing
from nas.objective import Objective
from nas.samplers import sampler_factory
from nas.samplers.known import known_networks
from nas.samplers.surrogate import settled
from search_spaces.measured import MEASURED

__all__ = ["Pace", "Paced", "RealStudy", "measure_pace"]

SPACE, TARGET = "accel_nasbench", 300e6
NOISE = 0.0025
REPEATS = 5


@dataclass(frozen=True, slots=True)
class Pace:
    """Records the seconds that asking takes when `asked` were asked for, of which `running` run.

    `fit` is what is in them of fitting the model anew, which happens every so many trials.
    """

    asked: int
    running: int
    seconds: float
    fit: float


class Paced:
    """Takes as long over an ask as was measured, by how many were asked for before."""

    def __init__(self, paces: Sequence[Pace]) -> None:
        self._asked = [pace.asked for pace in paces]
        self._seconds = [pace.seconds for pace in paces]

    def ask(self, trial: int) -> float:
        """Returns the seconds, linearly between what was measured."""
        return float(np.interp(trial, self._asked, self._seconds))

    def tell(self, trial: int) -> None:
        """Makes nothing of it."""


class RealStudy:
    """Asks a real sampler in a study in memory; what it is told is made up of MACs and noise.

    The space is the one of the measured training times, of 28 choices.
    """

    def __init__(self, sampler: str, *, seed: int) -> None:
        self._space, self._objective = MEASURED[SPACE].make(), Objective("soft", TARGET)
        known = known_networks(self._objective, Costing(self._space))
        made = sampler_factory(sampler, known=known)(seed)
        self.study = optuna.create_study(direction="maximize", sampler=made)
        self._distributions: dict[str, BaseDistribution] = {
            choice.name: CategoricalDistribution(choice.options) for choice in self._space.choices
        }
        self._rng = np.random.default_rng(seed)
        self.running = dict[int, dict[str, Any]]()  # parameters, by number; the oldest first

    def ask(self, trial: int) -> float:
        """Suggests a trial; returns the seconds that took."""
        start = time.perf_counter()
        asked = self.study.ask(self._distributions)
        seconds = time.perf_counter() - start
        self.running[trial] = asked.params
        return seconds

    def tell(self, trial: int) -> None:
        """Tells the study the made-up reward of a trial that runs."""
        params = self.running.pop(trial)
        macs = float(self._space.tables.count(self._space.encode(params)[None])[0][0])
        accuracy = 0.6 + 0.1 * np.log10(macs / TARGET) + NOISE * self._rng.normal()
        self.study.tell(trial, self._objective(float(accuracy), macs))

    def fill(self, first: int, last: int) -> None:
        """Adds random networks as running trials, numbered from `first` to before `last`."""
        choices = self._space.choices
        drawn = self._space.sample_encoded(self._rng, last - first).tolist()
        for number, row in enumerate(drawn, first):
            params = {c.name: c.options[i] for c, i in zip(choices, row, strict=True)}
            self.study.add_trial(
                create_trial(
                    state=TrialState.RUNNING, params=params, distributions=self._distributions
                )
            )
            self.running[number] = params


def measure_pace(
    sampler: str, *, workers: int, marks: Sequence[int], seed: int, repeats: int = REPEATS
) -> list[Pace]:
    """Times asks when so many were asked for (ascending), of which `workers` run, all others ended.

    That is the median of some asks, each after a trial has ended, and the fit of the model beside,
    divided among the trials between two fits.
    """
    study, number, paces = RealStudy(sampler, seed=seed), 0, []
    for mark in marks:
        study.fill(number, max(mark, number))
        number = max(mark, number)
        running = min(number, workers)
        _end_first(study, len(study.running) - workers)
        study.ask(number)  # what was added is read once
        plain = [_next(study, number + 1 + i, workers) for i in range(repeats)]
        number += 1 + repeats
        ended, usual = number - len(study.running), statistics.median(plain)
        ended += _end_first(study, _until_fit(ended))
        fitted = study.ask(number)
        number += 1
        fit = max(0.0, fitted - usual) / _until_fit(ended)
        paces.append(Pace(mark, running, usual + fit, fit))
    return paces


def _next(study: RealStudy, number: int, workers: int) -> float:
    """Times an ask, after the oldest of the running trials has ended where all workers are busy."""
    _end_first(study, len(study.running) + 1 - workers)
    return study.ask(number)


def _end_first(study: RealStudy, count: int) -> int:
    """Ends the oldest running trials; returns how many."""
    first = list(study.running)[: max(0, count)]
    for number in first:
        study.tell(number)
    return len(first)


def _until_fit(ended: int) -> int:
    """Counts the trials that end until the model is fitted to others."""
    return next(more for more in itertools.count(1) if settled(ended + more) != settled(ended))
