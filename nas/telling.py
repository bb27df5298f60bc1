"""What became of a trial, told to its study: every way in which a trial can end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from optuna.study import Study
from optuna.trial import Trial, TrialState

from nas.evaluation import Evaluation
from nas.objective import Goal
from nas.trials import TrialRecord

__all__ = ["Teller"]


class Teller:
    """Tells a study what its trials came to."""

    def __init__(self, study: Study, goal: Goal) -> None:
        self.study, self.goal = study, goal

    def measured(self, trial: Trial, evaluation: Evaluation, costs: Mapping[str, float]) -> None:
        """Ends a trial whose network was evaluated, and otherwise costs so much."""
        known = {**costs, **evaluation.counts}
        reward = self.goal.reward(evaluation.accuracy, known)
        trial.set_user_attr("evaluation", asdict(evaluation))
        trial.set_user_attr("reward", reward)
        self.study.tell(trial, self.goal.told(reward, evaluation.accuracy, known))

    def repeated(self, trial: Trial, first: TrialRecord) -> None:
        """Ends a trial of a network that was another trial's first, with that one's result."""
        trial.set_user_attr("duplicate_of", first.number)
        trial.set_user_attr("costs", dict(first.costs))
        if first.refused:
            self.refused(trial, first.refused)
        elif first.pruned:
            self.left(trial, first.pruned)
        elif first.evaluation is None:
            trial.set_user_attr("error", first.error)
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            trial.set_user_attr("evaluation", asdict(first.evaluation))
            trial.set_user_attr("reward", first.reward)
            self.study.tell(trial, first.values)

    def refused(self, trial: Trial, reason: str) -> None:
        """Ends a trial whose network is not trained."""
        # A pruned trial is one that Optuna's samplers learn to avoid, and that is no failure.
        trial.set_user_attr("refused", reason)
        self.study.tell(trial, state=TrialState.PRUNED)

    def left(self, trial: Trial, reason: str) -> None:
        """Ends a trial whose training was left on the way."""
        trial.set_user_attr("pruned", reason)
        self.study.tell(trial, state=TrialState.PRUNED)

    def failed(self, trial: Trial, error: str, seconds: float) -> None:
        """Ends a trial that failed after some seconds."""
        trial.set_user_attr("error", error)
        trial.set_user_attr("seconds", round(seconds, 3))
        self.study.tell(trial, state=TrialState.FAIL)

    def interrupted(self, trial: Trial) -> None:
        """Ends a trial of which nothing is to be kept."""
        self.study.tell(trial, state=TrialState.FAIL)
