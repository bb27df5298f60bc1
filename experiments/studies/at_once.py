"""Trials that run at once, in one process: who is asked for when, and which of them ends next."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import Trial

from search_spaces.space import SearchSpace

__all__ = ["AtOnce"]


class AtOnce:
    """Asks a study for trials, `at_once` of them before any is told, and ends them in random order.

    As if trainings took exponentially distributed times, each that runs is as likely as any other
    to end next. One that ends is to be told before the next is taken: another is then asked for in
    its place, until there were `trials`. The same seed gives the same order.
    """

    def __init__(
        self, study: optuna.Study, space: SearchSpace, *, trials: int, at_once: int, seed: int
    ) -> None:
        self.milliseconds = list[float]()  # of each ask
        self._study, self._trials, self._at_once = study, trials, at_once
        self._rng = np.random.default_rng(seed)
        self._distributions: dict[str, BaseDistribution] = {
            choice.name: CategoricalDistribution(choice.options) for choice in space.choices
        }

    def __iter__(self) -> Iterator[Trial]:
        running = list[Trial]()
        for ended in range(self._trials):
            while len(running) < min(self._at_once, self._trials - ended):
                running.append(self._ask())
            yield running.pop(int(self._rng.integers(len(running))))

    def _ask(self) -> Trial:
        start = time.perf_counter()
        trial = self._study.ask(self._distributions)
        self.milliseconds.append(1000 * (time.perf_counter() - start))
        return trial
