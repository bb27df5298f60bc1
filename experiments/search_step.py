"""The search step of a run: trials into the study, the best confirmed, the results written."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

from experiments.amounts import format_count
from experiments.config import SearchConfig
from experiments.session import WORK_OVERHEAD, Session
from experiments.store import RunFolder
from nas.evaluation import Evaluation
from nas.objective import Objective
from nas.pareto import pareto_front
from nas.samplers import sampler_factory
from nas.search import Budget, Confirmed, TrialRecord, confirm, records, search
from search_spaces.codec import spec_from_json, spec_to_json, stage_to_string
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec

__all__ = [
    "CONFIRM_REPEATS",
    "run_search",
    "search_document",
    "search_plan",
    "space_of",
    "trial_rows",
]

CONFIRM_REPEATS = 2


def space_of(config: SearchConfig, *, num_classes: int) -> SearchSpace:
    """Returns the space that a run searches; raises `InputError` for a target out of its reach."""
    space = make_space(
        config.space,
        image_size=config.resolution,
        num_classes=num_classes,
        resolution=config.resolution,
        width=config.width,
    )
    space.check_target(config.target_macs)
    return space


def _asked(session: Session) -> SearchConfig:
    if session.config.search is None:
        raise InputError(f"{session.folder.path}: nothing was searched in this run folder")
    return session.config.search


def _unit(session: Session, asked: SearchConfig) -> float:
    """Estimates the work of one trial: a network of the target's MACs."""
    images = len(session.data.train)
    return images * asked.epochs * (asked.target_macs + WORK_OVERHEAD)


def search_plan(session: Session) -> float:
    """Estimates the work of the whole search step."""
    asked = _asked(session)
    return _unit(session, asked) * (asked.trials + asked.confirm * CONFIRM_REPEATS)


def run_search(session: Session) -> ArchSpec:
    """Searches, confirms the best few with other seeds, writes the results, returns the base."""
    asked = _asked(session)
    space = space_of(asked, num_classes=session.data.num_classes)
    objective = Objective(asked.objective, asked.target_macs, asked.exponent)
    study = session.folder.study()
    unit = _unit(session, asked)
    display = _Display(session, asked, unit)
    for record in records(study, space):
        display.resume(record)

    def evaluate(spec: ArchSpec, *, seed: int) -> Evaluation:
        return session.evaluate(spec, seed=seed, epochs=asked.epochs)

    try:
        trials = search(
            study, space, evaluate, objective,
            sampler=sampler_factory(asked.sampler),
            budget=Budget(asked.trials, asked.seconds),
            seed=session.config.seed,
            on_trial=display.trial,
        )  # fmt: skip
    finally:
        session.folder.write_table(session.folder.trials_path, trial_rows(records(study, space)))
    session.reporter.skip(unit * max(0, asked.trials - display.shown))
    best = _confirmed(session, asked, objective, trials, unit)
    name = f"{asked.space}_{format_count(asked.target_macs)}"
    base = replace(best.record.spec, name=name)
    _write_results(session, base, trials, best)
    return base


class _Display:
    """Tells the reporter about trials as they finish."""

    def __init__(self, session: Session, asked: SearchConfig, unit: float) -> None:
        self.session, self.asked, self.unit = session, asked, unit
        self.best: TrialRecord | None = None
        self.shown = 0

    def _take(self, record: TrialRecord) -> bool:
        if record.evaluation is None or record.duplicate_of is not None:
            return False
        self.shown += 1
        if self.best is None or (record.reward or 0) > (self.best.reward or 0):
            self.best = record
        return True

    def resume(self, record: TrialRecord) -> None:
        """Takes in a trial that finished in an earlier process."""
        if self._take(record):
            self.session.reporter.skip(self.unit)

    def trial(self, record: TrialRecord) -> None:
        """Reports a trial that has just finished."""
        number, total = self.shown + 1, self.asked.trials
        if record.duplicate_of is not None:
            self.session.reporter.done(
                0, f"trial {record.number}: same network as trial {record.duplicate_of}"
            )
        elif record.evaluation is None:
            self.session.reporter.note(f"trial {record.number} failed: {record.error}")
        else:
            self._take(record)
            assert self.best is not None
            self.session.reporter.done(
                self.unit,
                f"trial {number}/{total}: {format_count(record.evaluation.macs)} MACs, "
                f"accuracy {record.evaluation.accuracy:.1%}, reward {record.reward:.4f} "
                f"(best {self.best.reward:.4f}, trial {self.best.number})",
            )


def _confirmed(
    session: Session,
    asked: SearchConfig,
    objective: Objective,
    trials: list[TrialRecord],
    unit: float,
) -> Confirmed:
    if not any(trial.evaluation for trial in trials):
        raise RunError("the search ended before any network was evaluated; give it more time")
    if asked.confirm:
        session.reporter.step(
            f"Confirm: the best {asked.confirm} trained {CONFIRM_REPEATS} more times"
        )

    def evaluate(spec: ArchSpec, *, seed: int) -> Evaluation:
        evaluation = session.evaluate(spec, seed=seed, epochs=asked.epochs)
        reward = objective(evaluation.accuracy, evaluation.macs)
        session.reporter.done(
            unit, f"{spec.name}: accuracy {evaluation.accuracy:.1%}, reward {reward:.4f}"
        )
        return evaluation

    repeats = CONFIRM_REPEATS if asked.confirm else 0
    return confirm(
        trials, evaluate, objective,
        count=max(1, asked.confirm), repeats=repeats, seed=session.config.seed,
    )[0]  # fmt: skip


def trial_rows(trials: list[TrialRecord]) -> list[dict[str, Any]]:
    """Returns one flat row a trial, as trials.parquet holds them."""
    return [
        {
            "trial": trial.number,
            "state": trial.state,
            "fingerprint": trial.fingerprint,
            "reward": trial.reward,
            "accuracy": trial.evaluation.accuracy if trial.evaluation else None,
            "macs": trial.evaluation.macs if trial.evaluation else None,
            "params": trial.evaluation.params if trial.evaluation else None,
            "seconds": trial.evaluation.seconds if trial.evaluation else None,
            "seed": trial.evaluation.seed if trial.evaluation else None,
            "duplicate_of": trial.duplicate_of,
            "error": trial.error,
            **trial.choices,
        }
        for trial in trials
    ]


def _write_results(
    session: Session, base: ArchSpec, trials: list[TrialRecord], best: Confirmed
) -> None:
    folder = session.folder
    evaluated = [t for t in trials if t.evaluation and t.duplicate_of is None]
    front = pareto_front(evaluated, gain=_accuracy, cost=_macs)
    folder.write_json(folder.front_path, [_entry(trial) for trial in front])
    result = {
        "trial": best.record.number,
        "fingerprint": best.record.fingerprint,
        "reward": best.mean_reward,
        "search_reward": best.record.reward,
        "evaluations": [asdict(evaluation) for evaluation in best.evaluations],
    }
    folder.write_json(folder.best_path, {**json.loads(spec_to_json(base)), "result": result})


def _accuracy(trial: TrialRecord) -> float:
    return trial.evaluation.accuracy if trial.evaluation else 0.0


def _macs(trial: TrialRecord) -> float:
    return trial.evaluation.macs if trial.evaluation else float("inf")


def _entry(trial: TrialRecord) -> dict[str, Any]:
    return {
        "trial": trial.number,
        "accuracy": _accuracy(trial),
        "macs": _macs(trial),
        "reward": trial.reward,
        **json.loads(spec_to_json(trial.spec)),
    }


def search_document(folder: RunFolder) -> dict[str, Any]:
    """Returns what a search found: the base with its result, the front, and the files."""
    best = json.loads(folder.best_path.read_text())
    spec = spec_from_json(json.dumps(best), where=str(folder.best_path))
    counted = cost(spec)
    return {
        "best": {
            "name": spec.name,
            "macs": counted.macs,
            "params": counted.params,
            "resolution": spec.resolution,
            "blocks": [stage_to_string(stage) for stage in spec.stages],
            **best["result"],
        },
        "front": json.loads(folder.front_path.read_text()),
        "paths": {
            "best": str(folder.best_path),
            "front": str(folder.front_path),
            "trials": str(folder.trials_path),
        },
    }
