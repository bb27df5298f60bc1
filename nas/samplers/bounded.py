"""Optuna's TPE over the trials that tell it the most, so that asking takes no longer and longer.

TPE describes the best few trials (at most 25) by one density and all others by another, in which
newer trials weigh more. Beyond a thousand, it is shown those best and the newest of the others.
"""

from __future__ import annotations

import heapq
from collections.abc import Container
from operator import attrgetter
from typing import Any
from weakref import WeakKeyDictionary

from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.search_space import IntersectionSearchSpace
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

__all__ = ["BoundedTPE"]

MOST = 1000  # finished trials
BEST = 25  # as many as Optuna counts among the best, at most
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)


class _Shown(Study):
    """Shows the best and the newest trials of a study of one objective, and all unfinished ones."""

    def __init__(self, study: Study) -> None:
        super().__init__(study.study_name, study._storage)
        self._shown: list[FrozenTrial] | None = None

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        if self._shown is None:
            self._shown = self._telling(super()._get_trials(deepcopy, None, use_cache))
        return [trial for trial in self._shown if states is None or trial.state in states]

    def _telling(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        done = [trial for trial in trials if trial.state in FINISHED]
        if len(done) <= MOST or len(self.directions) > 1:
            return trials
        newest, older = done[BEST - MOST :], done[: BEST - MOST]
        least = self.direction == StudyDirection.MINIMIZE
        pick = heapq.nsmallest if least else heapq.nlargest
        valued = [trial for trial in older if trial.state == TrialState.COMPLETE]
        best = pick(BEST, valued, key=attrgetter("value"))
        kept = {trial.number for trial in (*newest, *best)}
        return [t for t in trials if t.number in kept or t.state not in FINISHED]


def _common(study: Study) -> IntersectionSearchSpace:
    """Returns what finds the parameters that a study's trials share: it looks at each but once."""
    known = _commons.setdefault(study._storage, {})
    return known.setdefault(study._study_id, IntersectionSearchSpace(include_pruned=True))


_commons: WeakKeyDictionary[BaseStorage, dict[int, IntersectionSearchSpace]] = WeakKeyDictionary()


class BoundedTPE(TPESampler):
    """Samples as `TPESampler` does, from at most a thousand finished trials."""

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that are suggested together."""
        self._search_space = _common(study)
        return super().infer_relative_search_space(_Shown(study), trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Suggests them."""
        return super().sample_relative(_Shown(study), trial, search_space)
