"""Successive halving: an evaluation in rungs, left where it falls behind others at the same rung.

The decision is Optuna's `SuccessiveHalvingPruner` (asynchronous: Li et al., arXiv:1810.05934): of
the trials that have reached a rung, the best 1/η go on to the next. They are compared by rewards,
since networks of unlike cost are.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Protocol

from optuna import TrialPruned
from optuna.pruners import BasePruner, SuccessiveHalvingPruner
from optuna.study import Study
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.evaluation import Evaluation
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

__all__ = ["Halving", "Rungs", "Staged", "StagedEvaluator"]

Report = Callable[[Evaluation], None]


@dataclass(frozen=True, slots=True)
class Halving:
    """Says how an evaluation is divided: each of `rungs` has `reduction` times the one before.

    The last rung is the whole evaluation. Raises `InputError` for fewer than two rungs, or a
    reduction below 2.
    """

    rungs: int
    reduction: int = 3

    def __post_init__(self) -> None:
        if self.reduction < 2:
            raise InputError(f"reduction is {self.reduction}; it must be at least 2")
        if self.rungs < 2:
            raise InputError(f"rungs is {self.rungs}; it must be at least 2")

    @property
    def shares(self) -> tuple[float, ...]:
        """Returns each rung's share of the whole evaluation, the last one's is 1."""
        return tuple(float(self.reduction) ** (k + 1 - self.rungs) for k in range(self.rungs))

    @property
    def steps(self) -> tuple[int, ...]:
        """Returns the steps at which a study is told of rungs: amounts of the first rung's."""
        return tuple(self.reduction**rung for rung in range(self.rungs))

    def pruner(self) -> BasePruner:
        """Returns what decides at these steps which trial goes on."""
        return _Pruner(min_resource=1, reduction_factor=self.reduction)


class StagedEvaluator(Protocol):
    """Evaluates a network in rungs, and reports each of them but the last."""

    def __call__(self, spec: ArchSpec, *, seed: int, report: Report) -> Evaluation:
        """Evaluates `spec`; `report` raises `TrialPruned` where it is to be left.

        The seconds that a rung is reported with are all that the trial has taken so far.
        """
        ...


@dataclass(frozen=True, slots=True)
class Staged:
    """Holds an evaluator in rungs, for `nas.search.search`."""

    evaluate: StagedEvaluator
    halving: Halving

    def run(
        self, spec: ArchSpec, *, seed: int, rung: Callable[[Evaluation], str | None]
    ) -> Evaluation:
        """Evaluates a network; raises `TrialPruned` where it is to be left.

        `rung` is told of every rung but the last, and says why to leave it there (None: go on).
        """

        def report(evaluation: Evaluation) -> None:
            if reason := rung(evaluation):
                raise TrialPruned(reason)

        return self.evaluate(spec, seed=seed, report=report)


class Rungs:
    """Tells a study of a trial's rungs; `reward` is of an accuracy, at the network's own cost."""

    def __init__(self, trial: Trial, halving: Halving, reward: Callable[[float], float]) -> None:
        self.trial, self.halving, self.reward = trial, halving, reward
        self.told: list[dict[str, float]] = []

    def tell(self, accuracy: float, seconds: float, *, last: bool = False) -> float:
        """Tells of the next rung, or of the last; returns its reward.

        `seconds` are all that the trial has taken so far.
        """
        reward = self.reward(accuracy)
        self.trial.report(reward, self.halving.steps[-1 if last else len(self.told)])
        self.told.append({"accuracy": accuracy, "seconds": seconds})
        self.trial.set_user_attr("rungs", self.told)
        return reward

    def why_leave(
        self, accuracy: float, seconds: float, hopeless: Callable[[], str | None]
    ) -> str | None:
        """Tells of a rung that more would follow; says why none is to (None: it goes on).

        `hopeless` says why the network cannot win any more (None: it can).
        """
        reward = self.tell(accuracy, seconds)
        if reason := hopeless():
            return reason
        if not self.trial.should_prune():
            return None
        return (
            f"reward {reward:.4f} at rung {len(self.told)} of {self.halving.rungs} is not "
            f"among the best 1/{self.halving.reduction} there"
        )


class _Pruner(SuccessiveHalvingPruner):
    """Leaves failed trials out: one that was interrupted is there again, from its start."""

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        """Tells whether a trial is to be left at its last rung."""
        return super().prune(_Unfailed(study.study_name, study._storage), trial)


class _Unfailed(Study):
    """Shows a study's trials, but those that failed."""

    def get_trials(
        self, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """Returns the trials."""
        trials = super().get_trials(deepcopy, states)
        return [trial for trial in trials if trial.state != TrialState.FAIL]
