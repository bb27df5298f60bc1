"""The samplers that a search can use, by name."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping

import optuna
from optuna.samplers import BaseSampler, GPSampler, NSGAIISampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial

from search_spaces.errors import InputError

__all__ = ["ABOUT", "SAMPLERS", "sampler_factory"]


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed, n_startup_trials=10, multivariate=True, constant_liar=True)


def _gp(seed: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=10)


class _OrderedNSGAII(NSGAIISampler):
    """Gives a generation's parents in one order.

    Optuna ranks them when it chooses them and lists them by number when it looks them up again,
    so a search stopped at a generation's first trial would draw other children.
    """

    def select_parent(self, study: Study, generation: int) -> list[FrozenTrial]:
        """Returns the parents of a generation, by trial number."""
        return sorted(super().select_parent(study, generation), key=lambda trial: trial.number)


def _nsga2(seed: int) -> BaseSampler:
    return _OrderedNSGAII(seed=seed, population_size=20)


SAMPLERS: Mapping[str, Callable[[int], BaseSampler]] = {
    "tpe": _tpe,
    "gp": _gp,
    "nsga2": _nsga2,
    "random": lambda seed: RandomSampler(seed=seed),
}

ABOUT: Mapping[str, str] = {
    "tpe": "tree-structured Parzen estimator, multivariate (Optuna)",
    "gp": "Gaussian process with expected improvement (Optuna)",
    "nsga2": "genetic algorithm NSGA-II, population 20 (Optuna)",
    "random": "uniform draws",
}


def sampler_factory(name: str) -> Callable[[int], BaseSampler]:
    """Returns the function that makes a sampler from a seed; raises `InputError` if unknown."""
    if name not in SAMPLERS:
        near = difflib.get_close_matches(name, SAMPLERS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(
            f"no sampler is called {name!r}; {hint}the samplers are {', '.join(SAMPLERS)}"
        )
    return SAMPLERS[name]


optuna.logging.set_verbosity(optuna.logging.WARNING)
