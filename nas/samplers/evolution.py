"""Samplers that change what did well: regularised evolution, and local search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.study import Study
from optuna.trial import TrialState

from nas.samplers.base import StudySampler, finished, sign, value
from nas.samplers.columns import Columns, row_keys

__all__ = ["ChangingSampler", "evolution", "local_search"]

Array = np.ndarray
Change = Callable[[Array, Array, Columns, np.random.Generator], Array | None]
POPULATION, TOURNAMENT = 20, 5


def evolution(
    rows: Array, rewards: Array, columns: Columns, rng: np.random.Generator
) -> Array | None:
    """Changes one parameter of the best of 5 of the last 20 (Real et al., arXiv:1802.01548).

    None, which stands for a random row, until there are 20.
    """
    if len(rows) < POPULATION:
        return None
    chosen = len(rows) - POPULATION + rng.choice(POPULATION, TOURNAMENT, replace=False)
    around = columns.neighbours(rows[chosen[rewards[chosen].argmax()]])
    return np.asarray(around[rng.integers(len(around))])


def local_search(
    rows: Array, rewards: Array, columns: Columns, rng: np.random.Generator
) -> Array | None:
    """Tries the neighbours of the best row, in random order (White et al., arXiv:2005.02960).

    Where all were tried, it goes on about the next best; None before the first trial.
    """
    tried = row_keys(rows)
    for best in np.argsort(-rewards, kind="stable"):
        around = columns.neighbours(rows[best])
        new = around[~np.isin(row_keys(around), tried)]
        if len(new):
            return np.asarray(new[rng.integers(len(new))])
    return None


class ChangingSampler(StudySampler):
    """Suggests what `change` makes of the finished trials' rows and rewards, in their order."""

    def __init__(self, change: Change, *, seed: int | None = None) -> None:
        super().__init__(seed=seed)
        self.change = change

    def _suggest(self, study: Study, space: dict[str, BaseDistribution]) -> dict[str, Any]:
        columns = Columns(space)
        done = [trial for trial in finished(study) if columns.holds(trial.params)]
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        rng = np.random.default_rng([self._seed, len(done), len(running)])
        rows = columns.encode([trial.params for trial in done])
        rewards = sign(study) * np.array([value(trial) for trial in done])
        row = self.change(rows, rewards, columns, rng)
        return columns.decode(columns.sample(rng, 1)[0] if row is None else row)
