"""A storage that writes the parameters of a trial together: one transaction instead of thirty."""

from __future__ import annotations

from collections.abc import Container

from optuna.distributions import (
    BaseDistribution,
    check_distribution_compatibility,
    distribution_to_json,
)
from optuna.storages import _CachedStorage
from optuna.storages._rdb import models as m
from optuna.trial import FrozenTrial, TrialState

from experiments.bulk_reading import BulkStorage

__all__ = ["GatheringStorage"]

Param = tuple[str, float, BaseDistribution]


class GatheringStorage(_CachedStorage):
    """Keeps the parameters of a trial back until `flush`, which is to come before anything else.

    A process that is killed in between leaves a running trial without parameters, and nobody waits
    for a trial of a process that is gone. What serves other processes must not keep them back.
    """

    def __init__(self, backend: BulkStorage) -> None:
        super().__init__(backend)
        self._database = backend
        self._kept: dict[int, list[Param]] = {}

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Returns a study's trials; looks for waiting ones first where nothing else is asked for.

        Optuna asks so before each new trial, and mostly there is none.
        """
        if states == (TrialState.WAITING,) and not self._database.is_any_waiting(study_id):
            return []
        return super().get_all_trials(study_id, deepcopy, states)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Keeps a parameter whose distribution the study knows; writes the first of a name."""
        with self._lock:
            study, _ = self._trial_id_to_study_id_and_number[trial_id]
            known = self._studies[study].param_distribution.get(param_name)
        if known is None:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)
            return
        check_distribution_compatibility(known, distribution)
        self._kept.setdefault(trial_id, []).append((param_name, param_value_internal, distribution))

    def flush(self) -> None:
        """Writes what is kept back, each trial's in one transaction."""
        while self._kept:
            trial, params = next(iter(self._kept.items()))
            rows = [
                m.TrialParamModel(
                    trial_id=trial,
                    param_name=name,
                    param_value=value,
                    distribution_json=distribution_to_json(distribution),
                )
                for name, value, distribution in params
            ]
            self._database.add_params(trial, rows)
            del self._kept[trial]
