"""The search step of a run: trials into the study, the best confirmed, the results written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.aims import amount_text
from experiments.config import SearchConfig
from experiments.costing import costing_of
from experiments.fronts import believed_front, front_entries, to_confirm
from experiments.goals import goal_of
from experiments.hinting import hinted
from experiments.parallel.ahead import prefetch
from experiments.parallel.jobs import evaluation_job
from experiments.search_display import result_text
from experiments.search_results import front_of_trials, write_search
from experiments.search_seeds import SeedSearch, search_seeds, write_seeds
from experiments.search_trials import Searching
from experiments.session import Session
from experiments.space_files import space_of
from experiments.store import STUDY
from experiments.warm_start import prior_of
from nas.confirmation import Confirmed, confirm
from nas.costs import Costing
from nas.evaluation import Evaluation
from nas.front import Front
from nas.samplers import expected_values, sampler_factory
from nas.samplers.known import Known, known_networks
from nas.search import derive_seed
from nas.trials import TrialRecord
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError, RunError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec

__all__ = ["CONFIRM_REPEATS", "run_search", "search_work", "typical_spec"]

CONFIRM_REPEATS = 2
RANDOM = "random"
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
    each = asked.trials * searches + asked.confirm * CONFIRM_REPEATS
    return _unit(session, asked) * asked.seeds * each


def run_search(session: Session) -> ArchSpec:
    """Searches, confirms the best few with other seeds, writes the results, returns the base.

    Where several searches are asked for, each one's best few are confirmed, and the base is the
    best of all these. A random search of the same budget follows where it is asked for. The caller
    has planned `search_work`.
    """
    asked = _asked(session)
    costing = _costing(session, asked)
    goal = goal_of(asked, session.plugin)
    searching = Searching(session, asked, costing, goal, _unit(session, asked))
    known = known_networks(goal, costing, ceiling=asked.ceiling)
    known = hinted(known, session, asked, costing)
    _say_modelled(searching, known)
    prior = prior_of(asked, costing.space, known)
    sampler = sampler_factory(asked.sampler, known=known, prior=prior)
    _say_size(session, costing.space)
    searches = search_seeds(
        searching, sampler,
        name=STUDY, path=session.folder.trials_path, label="trial",
        expect=lambda seed, study: expected_values(sampler(seed), study),
    )  # fmt: skip
    found, front = _chosen(searching, searches)
    _, best = max(found, key=lambda each: each[1].mean_reward)
    base = replace(best.record.spec, name=_base_name(asked))
    write_search(session.folder, base, best, front)
    write_seeds(session.folder, found)
    session.reporter.note(f"base: {result_text(best.record.costs, best.mean_reward, goal)}")
    if asked.random_baseline:
        _search_at_random(searching)
    return base


def _search_at_random(searching: Searching) -> None:
    """Searches at random with the same budgets, in studies of its own.

    A network that the search of that seed trained already is looked up: its training seed is the
    same here.
    """
    folder, make = searching.session.folder, sampler_factory(RANDOM)
    searching.session.reporter.step("Random search of the same budget")
    search_seeds(
        searching, lambda seed: make(derive_seed(seed, "baseline")),
        name=RANDOM, path=folder.random_path, label="random trial",
    )  # fmt: skip


def _chosen(
    searching: Searching, searches: list[SeedSearch]
) -> tuple[list[tuple[SeedSearch, Confirmed]], list[dict[str, Any]]]:
    """Returns the best network of each search that trained any, and the entries of the front.

    The best few of each are trained again first; a network that two searches came to, only once.
    """
    goal, asked, folder = searching.goal, searching.asked, searching.session.folder
    trials = [trial for search in searches for trial in search.trials]
    trained = [search for search in searches if search.trained]
    if not trained:
        raise RunError(_why_none(trials))
    _say_confirmed(searching, len(trained))
    if not isinstance(goal, Front):
        best = [(s, _confirmed(searching, s.trials, s.expected)[0]) for s in trained]
        return best, front_of_trials(trials, asked.front_cost)
    count, again = max(1, asked.confirm), []
    for search in trained:
        found = believed_front(goal, search.trials, search.expected)
        again.append((search, _confirmed(searching, to_confirm(goal, found, count), {})))
    expected = {number: value for s in searches for number, value in s.expected.items()}
    confirmed = [each for _, several in again for each in several]
    found = believed_front(goal, trials, expected)
    return [(s, several[0]) for s, several in again], front_entries(folder, goal, found, confirmed)


def _say_confirmed(searching: Searching, searches: int) -> None:
    if searching.asked.confirm:
        which = f"the best {searching.asked.confirm}"
        if searches > 1:
            which += f" of each of {searches} searches"
        searching.session.reporter.step(f"Confirm: {which} trained {CONFIRM_REPEATS} more times")


def _say_modelled(searching: Searching, known: Known) -> None:
    """Says where the sampler leaves a front to another, for want of exact costs."""
    goal, sampler = searching.goal, searching.asked.sampler
    if isinstance(goal, Front) and sampler == "greybox" and known.place is None:
        searching.session.reporter.note(
            f"{goal.cost} is measured, not counted: greybox leaves the front to TPE "
            "(--table FILE of `nas bench blocks` lets it count)"
        )


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
    searching: Searching, trials: list[TrialRecord], expected: Mapping[int, float]
) -> list[Confirmed]:
    """Trains the best of some trials again with other seeds; the best mean first."""
    session, asked, goal = searching.session, searching.asked, searching.goal
    unit = searching.unit
    costs = {trial.fingerprint: trial.costs for trial in trials}

    def evaluate(spec: ArchSpec, *, seed: int) -> Evaluation:
        known = session.is_known(spec, seed=seed, epochs=asked.epochs)
        try:
            evaluation = session.evaluate(spec, seed=seed, epochs=asked.epochs, planned=unit)
        except RunError as error:
            session.reporter.note(f"{spec.name} failed when trained again: {error}")
            raise
        known_costs = {**costs[fingerprint(spec)], **evaluation.counts}
        reward = goal.reward(evaluation.accuracy, known_costs)
        text = f"{spec.name}: accuracy {evaluation.accuracy:.1%}, reward {reward:.4f}"
        session.reporter.finish(unit, text, now=not known)
        return evaluation

    repeats = CONFIRM_REPEATS if asked.confirm else 0
    return confirm(
        trials, evaluate, goal,
        count=max(1, asked.confirm), repeats=repeats, seed=session.config.seed, expected=expected,
        ahead=lambda entries: _train_ahead(session, entries, asked.epochs),
    )  # fmt: skip


def _train_ahead(session: Session, entries: Sequence[tuple[ArchSpec, int]], epochs: int) -> None:
    if session.placement is not None:
        jobs = [
            evaluation_job(session, spec, seed=seed, epochs=epochs, name=f"{spec.name}, {seed}")
            for spec, seed in entries
        ]
        prefetch(session, jobs)
