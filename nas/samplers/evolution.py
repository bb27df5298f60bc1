"""Samplers that change what did well: regularised evolution, and local search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

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


class ChangingSampler(BaseSampler):
    """Suggests what `change` makes of the finished trials' rows and rewards, in their order.

    It keeps nothing: the same seed and study give the same suggestion. Several objectives are left
    to `TPESampler`; parameters that are not always there are drawn at random.
    """

    def __init__(self, change: Change, *, seed: int | None = None) -> None:
        self.change = change
        self._seed = int(np.random.default_rng(seed).integers(2**31))
        self._random, self._several = RandomSampler(seed=seed), TPESampler(seed=seed)
        self._common = IntersectionSearchSpace()

    def reseed_rng(self) -> None:
        """Draws another seed, for a copy of the sampler in another thread."""
        self._seed = int(np.random.default_rng().integers(2**31))
        self._random.reseed_rng()
        self._several.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that all finished trials have."""
        if len(study.directions) > 1:
            return self._several.infer_relative_search_space(study, trial)
        common = self._common.calculate(study)
        return {name: each for name, each in common.items() if not each.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Suggests parameters; none where there is nothing to go by."""
        if len(study.directions) > 1:
            return self._several.sample_relative(study, trial, search_space)
        columns = Columns(search_space)
        done = _finished(study, columns)
        running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
        rng = np.random.default_rng([self._seed, len(done), len(running)])
        if not search_space:
            return {}
        sign = -1 if study.direction == StudyDirection.MINIMIZE else 1
        rows = columns.encode([trial.params for trial in done])
        rewards = sign * np.array([float(trial.value or 0) for trial in done])
        row = self.change(rows, rewards, columns, rng)
        return columns.decode(columns.sample(rng, 1)[0] if row is None else row)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws at random a parameter that nothing is known of."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def _finished(study: Study, columns: Columns) -> Sequence[FrozenTrial]:
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [t for t in done if columns.holds(t.params) and np.isfinite(t.value or 0)]
