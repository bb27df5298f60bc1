"""What our samplers share: a seed, what they leave to Optuna's, and how they read a study."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

__all__ = ["StudySampler", "finished", "measured", "one_thread", "sign", "value"]


class StudySampler(BaseSampler):
    """Suggests from the study alone: the same seed and study give the same suggestion.

    Several objectives are left to `TPESampler`, unless a sampler says that it `takes` them;
    parameters that are not always there are drawn at random.
    """

    def __init__(self, *, seed: int | None = None) -> None:
        self._seed = int(np.random.default_rng(seed).integers(2**31))
        self._random, self._several = RandomSampler(seed=seed), TPESampler(seed=seed)
        self._common = IntersectionSearchSpace()

    def reseed_rng(self) -> None:
        """Draws another seed, for a copy of the sampler in another thread."""
        self._seed = int(np.random.default_rng().integers(2**31))
        self._random.reseed_rng()
        self._several.reseed_rng()

    def takes(self, study: Study) -> bool:
        """Tells whether the sampler has a way of its own with a study's objectives."""
        return len(study.directions) == 1

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that are suggested together."""
        if not self.takes(study):
            return self._several.infer_relative_search_space(study, trial)
        return self._space(study)

    def _space(self, study: Study) -> dict[str, BaseDistribution]:
        common = self._common.calculate(study)
        return {name: each for name, each in common.items() if not each.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Suggests parameters; none where there is nothing to go by."""
        if not self.takes(study):
            return self._several.sample_relative(study, trial, search_space)
        with one_thread():
            return self._suggest(study, search_space) if search_space else {}

    @abstractmethod
    def _suggest(self, study: Study, space: dict[str, BaseDistribution]) -> dict[str, Any]:
        """Suggests all parameters of a space for a study that it `takes`."""

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws at random a parameter that is not always there."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def one_thread() -> AbstractContextManager[object]:
    """Keeps linear algebra within this process's own thread.

    A sampler's matrices have some hundred rows: threads gain nothing on them, and where numpy's and
    scipy's each wait for the other's, or for those of a training, all take several times as long.
    """
    return _threads().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@cache
def _threads() -> ThreadpoolController:
    return ThreadpoolController()


def finished(study: Study) -> list[FrozenTrial]:
    """Returns the trials that ended with finite values, in order."""
    return measured(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


def measured(trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """Returns those of the trials that have finite values."""
    return [t for t in trials if (values := t.values) and all(map(math.isfinite, values))]


def value(trial: FrozenTrial) -> float:
    """Returns the value of a `measured` trial; of several, the first."""
    return float(trial.values[0])


def sign(study: Study) -> int:
    """Returns what a study's (first) values are multiplied by to be maximised."""
    return -1 if study.directions[0] == StudyDirection.MINIMIZE else 1
