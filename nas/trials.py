"""A study's trials read back: what was chosen, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.evaluation import Evaluation
from search_spaces.codec import fingerprint
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec

__all__ = ["INTERRUPTED", "TrialRecord", "record_of", "records"]

INTERRUPTED = "interrupted"
FINISHED = (TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED)


@dataclass(frozen=True)
class TrialRecord:
    """Describes one trial of a study: what was chosen and what came out.

    `duplicate_of` is the number of the trial that had the same network first. `refused` says why
    the network was not trained, over which limit it is or that it cannot win; `pruned` why its
    training was left. `rungs` are the accuracies at the rungs of its evaluation, where it had any.
    `costs` are in `nas.costs.UNITS`. `seconds` are those that the evaluation took, also where it
    failed or was left. `reward` is what the base has the most of, `values` are what the study was
    told.
    """

    number: int
    choices: dict[str, object]
    fingerprint: str
    state: str
    reward: float | None
    evaluation: Evaluation | None
    duplicate_of: int | None
    error: str | None
    refused: str | None = None
    costs: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    values: tuple[float, ...] = ()
    pruned: str | None = None
    rungs: tuple[float, ...] = ()
    space: SearchSpace = field(kw_only=True, compare=False, repr=False)

    @cached_property
    def spec(self) -> ArchSpec:
        """Returns the network; most of many trials are never asked for theirs."""
        spec = self.space.decode(self.choices)  # type: ignore[arg-type]
        return replace(spec, name=f"{self.space.name}_trial{self.number}")


def records(study: Study, space: SearchSpace) -> list[TrialRecord]:
    """Reads every finished trial back from the study, in order."""
    finished = study.get_trials(deepcopy=False, states=FINISHED)
    complete = {c.name for c in space.choices}
    return [record_of(trial, space) for trial in finished if complete <= trial.params.keys()]


def record_of(trial: FrozenTrial, space: SearchSpace) -> TrialRecord:
    """Reads one finished trial."""
    attrs = trial.user_attrs
    evaluated = "evaluation" in attrs and trial.state == TrialState.COMPLETE
    evaluation = Evaluation(**attrs["evaluation"]) if evaluated else None
    values = trial.values if trial.state == TrialState.COMPLETE else None
    refused, rungs = attrs.get("refused"), attrs.get("rungs", [])
    pruned = attrs.get("pruned")
    spent = rungs[-1]["seconds"] if pruned and rungs else attrs.get("seconds")
    error = attrs.get("error") or (INTERRUPTED if trial.state == TrialState.FAIL else None)
    return TrialRecord(
        number=trial.number,
        choices=dict(trial.params),
        fingerprint=attrs.get("fingerprint") or fingerprint(space.decode(trial.params)),
        state="refused" if refused else trial.state.name.lower(),
        reward=attrs.get("reward", values[0]) if values else None,
        evaluation=evaluation,
        duplicate_of=attrs.get("duplicate_of"),
        error=error,
        refused=refused,
        costs=dict(attrs.get("costs", {})) | (evaluation.counts if evaluation else {}),
        values=tuple(values or ()),
        seconds=evaluation.seconds if evaluation else spent,
        pruned=pruned,
        rungs=tuple(rung["accuracy"] for rung in rungs),
        space=space,
    )
