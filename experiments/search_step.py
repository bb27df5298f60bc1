"""The search step of a run: trials into the study, the best confirmed, the results written."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from experiments.amounts import format_count
from experiments.config import SearchConfig
from experiments.search_results import trial_rows, write_search
from experiments.session import Session
from nas.evaluation import Evaluation
from nas.objective import Objective
from nas.samplers import expected_rewards, sampler_factory
from nas.samplers.known import known_networks
from nas.search import Budget, Confirmed, TrialRecord, confirm, records, search
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec

__all__ = ["CONFIRM_REPEATS", "run_search", "search_work", "space_of", "typical_spec"]

CONFIRM_REPEATS = 2
TYPICAL_DRAWS = 64


def space_of(config: SearchConfig, *, num_classes: int) -> SearchSpace:
    """Returns the space that a run searches; raises `InputError` for a target out of its reach."""
    space = make_space(
        config.asked_space(),
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


def typical_spec(session: Session) -> ArchSpec:
    """Returns a network of the space with about the target's MACs, to estimate times by."""
    asked = _asked(session)
    space = space_of(asked, num_classes=session.data.num_classes)
    rng = np.random.default_rng(0)
    drawn = [space.decode(space.sample(rng)) for _ in range(TYPICAL_DRAWS)]
    return min(drawn, key=lambda spec: abs(math.log(cost(spec).macs / asked.target_macs)))


def _unit(session: Session, asked: SearchConfig) -> float:
    """Estimates the work of one trial."""
    return session.work(typical_spec(session), asked.epochs)


def search_work(session: Session) -> float:
    """Estimates the work of the whole search step."""
    asked = _asked(session)
    return _unit(session, asked) * (asked.trials + asked.confirm * CONFIRM_REPEATS)


def run_search(session: Session) -> ArchSpec:
    """Searches, confirms the best few with other seeds, writes the results, returns the base.

    The caller has planned `search_work`.
    """
    asked = _asked(session)
    space = space_of(asked, num_classes=session.data.num_classes)
    objective = Objective(asked.objective, asked.target_macs, asked.exponent)
    sampler = sampler_factory(asked.sampler, known=known_networks(space, objective))
    study = session.folder.study()
    unit = _unit(session, asked)
    _say_size(session, space)
    display = _Display(session, asked, unit)
    for record in records(study, space):
        display.resume(record)

    def evaluate(spec: ArchSpec, *, seed: int) -> Evaluation:
        spec = replace(spec, name=f"trial {display.shown + 1} of {asked.trials}")
        return session.evaluate(spec, seed=seed, epochs=asked.epochs, planned=unit)

    try:
        trials = search(
            study, space, evaluate, objective,
            sampler=sampler,
            budget=Budget(asked.trials, asked.seconds),
            seed=session.config.seed,
            on_trial=display.trial,
        )  # fmt: skip
    finally:
        session.folder.write_table(session.folder.trials_path, trial_rows(records(study, space)))
    session.reporter.skip(unit * max(0, asked.trials - display.shown))
    expected = expected_rewards(sampler(session.config.seed), study)
    best = _confirmed(session, asked, objective, trials, unit, expected)
    name = f"{asked.space}_{format_count(asked.target_macs)}"
    base = replace(best.record.spec, name=name)
    write_search(session.folder, base, trials, best)
    session.reporter.note(f"base: {_described(best.evaluations[0].macs, best.mean_reward)}")
    return base


def _say_size(session: Session, space: SearchSpace) -> None:
    images, side = session.data.image_size, space.skeleton.resolution
    if images != side:
        how = "upsampled" if images < side else "downsampled"
        session.reporter.note(
            f"{session.data.name}: images of {images}×{images} pixels are {how} to {side}×{side}, "
            f"the input of skeleton {space.skeleton.name!r}; --resolution changes that"
        )


def _described(macs: float, reward: float) -> str:
    return f"reward {reward:.4f} at {format_count(macs)} MACs"


class _Display:
    """Tells the reporter about trials as they finish."""

    def __init__(self, session: Session, asked: SearchConfig, unit: float) -> None:
        self.session, self.asked, self.unit = session, asked, unit
        self.best: TrialRecord | None = None
        self.shown = 0

    def _take(self, record: TrialRecord) -> bool:
        """Counts a trial that evaluated a network, and keeps the best of them."""
        if record.evaluation is None or record.duplicate_of is not None:
            return False
        self.shown += 1
        if self.best is None or (record.reward or 0) > (self.best.reward or 0):
            self.best = record
            described = _described(record.evaluation.macs, record.reward or 0)
            self.session.reporter.best(f"{described} (trial {record.number})")
        return True

    def resume(self, record: TrialRecord) -> None:
        """Takes in a trial that finished in an earlier process."""
        if self._take(record):
            self.session.reporter.skip(self.unit)

    def trial(self, record: TrialRecord) -> None:
        """Reports a trial that has just finished."""
        reporter = self.session.reporter
        if record.duplicate_of is not None:
            reporter.done(0, f"trial {record.number}: same network as trial {record.duplicate_of}")
        elif record.evaluation is None:
            reporter.note(f"trial {record.number} failed: {record.error}")
        elif self._take(record):
            reporter.done(
                self.unit,
                f"trial {self.shown}/{self.asked.trials}: "
                f"accuracy {record.evaluation.accuracy:.1%}, "
                f"{_described(record.evaluation.macs, record.reward or 0)}",
            )


def _confirmed(
    session: Session,
    asked: SearchConfig,
    objective: Objective,
    trials: list[TrialRecord],
    unit: float,
    expected: dict[int, float],
) -> Confirmed:
    if not any(trial.evaluation for trial in trials):
        raise RunError("the search ended before any network was evaluated; give it more time")
    if asked.confirm:
        session.reporter.step(
            f"Confirm: the best {asked.confirm} trained {CONFIRM_REPEATS} more times"
        )

    def evaluate(spec: ArchSpec, *, seed: int) -> Evaluation:
        known = session.is_known(spec, seed=seed, epochs=asked.epochs)
        try:
            evaluation = session.evaluate(spec, seed=seed, epochs=asked.epochs, planned=unit)
        except RunError as error:
            session.reporter.note(f"{spec.name} failed when trained again: {error}")
            raise
        reward = objective(evaluation.accuracy, evaluation.macs)
        text = f"{spec.name}: accuracy {evaluation.accuracy:.1%}, reward {reward:.4f}"
        session.reporter.finish(unit, text, now=not known)
        return evaluation

    repeats = CONFIRM_REPEATS if asked.confirm else 0
    return confirm(
        trials, evaluate, objective,
        count=max(1, asked.confirm), repeats=repeats, seed=session.config.seed, expected=expected,
    )[0]  # fmt: skip
