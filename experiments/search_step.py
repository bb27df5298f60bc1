"""The search step of a run: trials into the study, the best confirmed, the results written."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from experiments.aims import amount_text
from experiments.config import SearchConfig
from experiments.costing import costing_of
from experiments.search_display import result_text
from experiments.search_results import write_search
from experiments.search_trials import Searching, random_trials, run_trials
from experiments.session import Session
from experiments.space_files import space_of
from experiments.warm_start import prior_of
from nas.confirmation import Confirmed, confirm
from nas.costs import Costing
from nas.evaluation import Evaluation
from nas.objective import Objective
from nas.samplers import expected_rewards, sampler_factory
from nas.samplers.known import known_networks
from nas.trials import TrialRecord
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec

__all__ = ["CONFIRM_REPEATS", "run_search", "search_work", "typical_spec"]

CONFIRM_REPEATS = 2
TYPICAL_DRAWS = 64


def _asked(session: Session) -> SearchConfig:
    if session.config.search is None:
        raise InputError(f"{session.folder.path}: nothing was searched in this run folder")
    return session.config.search


def typical_spec(session: Session) -> ArchSpec:
    """Returns a network of the space to estimate times by.

    It has about the target's MACs or parameters; where the target is neither, it is a middling one
    among those within the limits that can be counted.
    """
    asked = _asked(session)
    costing = _costing(session, asked)
    rng = np.random.default_rng(0)
    if asked.target is None or asked.cost not in ("macs", "params"):
        draws = [cost(costing.space.decode(costing.draw(rng))).macs for _ in range(TYPICAL_DRAWS)]
        name, wanted = "macs", float(np.median(draws))
        rng = np.random.default_rng(0)
    else:
        name, wanted = asked.cost, asked.target
    drawn = [costing.space.decode(costing.draw(rng)) for _ in range(TYPICAL_DRAWS)]
    return min(drawn, key=lambda spec: abs(math.log(getattr(cost(spec), name) / wanted)))


def _costing(session: Session, asked: SearchConfig) -> Costing:
    space = space_of(asked, num_classes=session.data.num_classes)
    batch = session.config.recipe.batch_size
    return costing_of(asked, space, device=session.device, batch=batch)


def _unit(session: Session, asked: SearchConfig) -> float:
    """Estimates the work of one trial."""
    return session.work(typical_spec(session), asked.epochs)


def search_work(session: Session) -> float:
    """Estimates the work of the whole search step."""
    asked = _asked(session)
    searches = 2 if asked.random_baseline else 1
    return _unit(session, asked) * (asked.trials * searches + asked.confirm * CONFIRM_REPEATS)


def run_search(session: Session) -> ArchSpec:
    """Searches, confirms the best few with other seeds, writes the results, returns the base.

    A random search of the same budget follows where it is asked for. The caller has planned
    `search_work`.
    """
    asked = _asked(session)
    costing = _costing(session, asked)
    objective = _objective(session, asked)
    searching = Searching(session, asked, costing, objective, _unit(session, asked))
    known = known_networks(objective, costing, ceiling=asked.ceiling)
    prior = prior_of(asked, costing.space, known)
    sampler = sampler_factory(asked.sampler, known=known, prior=prior)
    study = session.folder.study()
    _say_size(session, costing.space)
    trials = run_trials(searching, study, sampler, session.folder.trials_path)
    expected = expected_rewards(sampler(session.config.seed), study)
    best = _confirmed(searching, trials, expected)
    base = replace(best.record.spec, name=_base_name(asked))
    write_search(session.folder, base, trials, best, front_cost=asked.front_cost)
    session.reporter.note(f"base: {result_text(best.record.costs, best.mean_reward, objective)}")
    if asked.random_baseline:
        random_trials(searching)
    return base


def _objective(session: Session, asked: SearchConfig) -> Objective:
    return Objective(asked.objective, asked.target, asked.exponent, asked.cost, session.plugin)


def _base_name(asked: SearchConfig) -> str:
    """Names the base by the space and the target, or by the user's own reward."""
    if asked.target is None:
        return f"{asked.space}_{asked.objective.rpartition(':')[2]}"
    size = amount_text(asked.cost, asked.target)
    return f"{asked.space}_{size}" if asked.cost == "macs" else f"{asked.space}_{asked.cost}_{size}"


def _say_size(session: Session, space: SearchSpace) -> None:
    images, side = session.data.image_size, space.skeleton.resolution
    if images != side:
        how = "upsampled" if images < side else "downsampled"
        session.reporter.note(
            f"{session.data.name}: images of {images}×{images} pixels are {how} to {side}×{side}, "
            f"the input of skeleton {space.skeleton.name!r}; --resolution changes that"
        )


def _why_none(trials: list[TrialRecord]) -> str:
    refused = [trial.refused for trial in trials if trial.refused]
    if refused:
        return f"every network that came up was over a limit; the last one: {refused[-1]}"
    return "the search ended before any network was evaluated; give it more time"


def _confirmed(
    searching: Searching, trials: list[TrialRecord], expected: dict[int, float]
) -> Confirmed:
    session, asked, objective = searching.session, searching.asked, searching.objective
    unit = searching.unit
    if not any(trial.evaluation for trial in trials):
        raise RunError(_why_none(trials))
    if asked.confirm:
        session.reporter.step(
            f"Confirm: the best {asked.confirm} trained {CONFIRM_REPEATS} more times"
        )

    costs = {trial.fingerprint: trial.costs for trial in trials}

    def evaluate(spec: ArchSpec, *, seed: int) -> Evaluation:
        known = session.is_known(spec, seed=seed, epochs=asked.epochs)
        try:
            evaluation = session.evaluate(spec, seed=seed, epochs=asked.epochs, planned=unit)
        except RunError as error:
            session.reporter.note(f"{spec.name} failed when trained again: {error}")
            raise
        known_costs = {**costs[fingerprint(spec)], **evaluation.counts}
        reward = objective.reward(evaluation.accuracy, known_costs)
        text = f"{spec.name}: accuracy {evaluation.accuracy:.1%}, reward {reward:.4f}"
        session.reporter.finish(unit, text, now=not known)
        return evaluation

    repeats = CONFIRM_REPEATS if asked.confirm else 0
    return confirm(
        trials, evaluate, objective,
        count=max(1, asked.confirm), repeats=repeats, seed=session.config.seed, expected=expected,
    )[0]  # fmt: skip
