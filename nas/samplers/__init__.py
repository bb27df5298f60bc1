"""The samplers that a search can use, by name."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Callable, Mapping
from functools import partial

import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import (
    BaseSampler,
    GPSampler,
    NSGAIIISampler,
    NSGAIISampler,
    RandomSampler,
)
from optuna.study import Study
from optuna.trial import FrozenTrial

from nas.samplers.bounded import BoundedTPE
from nas.samplers.evolution import ChangingSampler, evolution, local_search
from nas.samplers.front import FrontSampler
from nas.samplers.greybox import GreyBoxSampler
from nas.samplers.known import Known
from nas.samplers.surrogate import Prior
from search_spaces.errors import InputError

__all__ = ["ABOUT", "FRONT_SAMPLERS", "SAMPLERS", "expected_values", "sampler_factory"]


def _greybox(seed: int, known: Known | None) -> BaseSampler:
    return _greybox_after(known, None, seed)


def _went_wrong(trial: FrozenTrial) -> bool:
    """Tells a failed trial whose network is at fault from one that was interrupted."""
    return "error" in trial.user_attrs


def _tpe(seed: int, _: Known | None) -> BaseSampler:
    return BoundedTPE(seed=seed, n_startup_trials=10, multivariate=True, constant_liar=True)


def _gp(seed: int, _: Known | None) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=10)


class _OrderedParents(NSGAIISampler):
    """Orders each generation's parents by trial number.

    Optuna selects a generation's parents once, ordered by rank and crowding; the next ask reads
    them back from the study ordered by number, and so draws others. With one order, what is drawn
    does not depend on whether the search was interrupted in between.
    """

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Returns the parents of a generation, by number."""
        return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)


class _OrderedReferences(NSGAIIISampler):
    """The same for NSGA-III."""

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Returns the parents of a generation, by number."""
        return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)


def _nsga2(seed: int, _: Known | None) -> BaseSampler:
    return _OrderedParents(seed=seed, population_size=20)


def _nsga3(seed: int, _: Known | None) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return _OrderedReferences(seed=seed, population_size=20)


def _ppo(seed: int, _: Known | None) -> BaseSampler:
    from nas.samplers.ppo import PPOSampler  # noqa: PLC0415 (brings torch)

    return PPOSampler(seed=seed)


SAMPLERS: Mapping[str, Callable[[int, Known | None], BaseSampler]] = {
    "greybox": _greybox,
    "tpe": _tpe,
    "gp": _gp,
    "nsga2": _nsga2,
    "nsga3": _nsga3,
    "ppo": _ppo,
    "evolution": lambda seed, _: ChangingSampler(evolution, seed=seed),
    "local": lambda seed, _: ChangingSampler(local_search, seed=seed),
    "random": lambda seed, _: RandomSampler(seed=seed),
}

FRONT_SAMPLERS = ("greybox", "tpe", "gp", "nsga2", "nsga3", "random")
"""Those that search for a Pareto front; the others maximise one reward."""

ABOUT: Mapping[str, str] = {
    "greybox": "Gaussian process of accuracy, exact cost; expected improvement, of a front as well",
    "tpe": "tree-structured Parzen estimator, multivariate (Optuna)",
    "gp": "Gaussian process with expected improvement (Optuna)",
    "nsga2": "genetic algorithm NSGA-II, population 20 (Optuna)",
    "nsga3": "genetic algorithm NSGA-III, population 20 (Optuna)",
    "ppo": "MnasNet's recurrent controller, trained by PPO on batches of 20",
    "evolution": "regularised evolution, population 20, tournament of 5",
    "local": "local search about the best network so far",
    "random": "uniform draws",
}


def sampler_factory(
    name: str, *, known: Known | None = None, prior: Prior | None = None
) -> Callable[[int], BaseSampler]:
    """Returns the function that makes a sampler from a seed; raises `InputError` if unknown.

    `known` is what a sampler may know of networks before they are trained, `prior` what accuracies
    it may expect of them; `InputError` for one that can expect nothing.
    """
    if name not in SAMPLERS:
        near = difflib.get_close_matches(name, SAMPLERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"no sampler is called {name!r}; {hint}the samplers are {', '.join(SAMPLERS)}"
        )
    if prior is None:
        return partial(_made, SAMPLERS[name], known)
    if name != "greybox":
        raise InputError(f"sampler {name} takes no prior; greybox does")
    return partial(_greybox_after, known, prior)


def _made(
    make: Callable[[int, Known | None], BaseSampler], known: Known | None, seed: int
) -> BaseSampler:
    return make(seed, known)


def _greybox_after(known: Known | None, prior: Prior | None, seed: int) -> BaseSampler:
    make = FrontSampler if known is not None and known.place is not None else GreyBoxSampler
    return make(seed=seed, known=known, prior=prior, avoid=_went_wrong)


def expected_values(sampler: BaseSampler, study: Study) -> dict[int, float]:
    """Returns what a sampler's model expects of trials, by number; {} without a model.

    That is the reward, or the accuracy in a search for a front.
    """
    if isinstance(sampler, GreyBoxSampler) and sampler.takes(study):
        return sampler.expected(study)
    return {}


optuna.logging.set_verbosity(optuna.logging.WARNING)
