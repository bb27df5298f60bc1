"""What a search tries next: the sampler's suggestion, or a random draw where it is stuck."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import Trial

from nas.ceiling import make_ceiling
from nas.costs import Costing
from nas.objective import Goal
from nas.samplers.fixed import FixedSampler
from nas.seeds import derive_seed
from nas.tally import Tally
from search_spaces.spec import ArchSpec

__all__ = ["SamplerFactory", "Suggesting"]

SamplerFactory = Callable[[int], BaseSampler]


class Suggesting:
    """Asks a study for networks, each with a sampler made anew, and says which cannot win."""

    def __init__(
        self,
        study: Study,
        costing: Costing,
        goal: Goal,
        sampler: SamplerFactory,
        *,
        seed: int,
        ceiling: float | None,
    ) -> None:
        """Raises `InputError` for a ceiling that is no accuracy."""
        self.study, self.costing, self.sampler, self.seed = study, costing, sampler, seed
        self.ceiling = make_ceiling(ceiling, goal, costing)
        self.distributions: dict[str, BaseDistribution] = {
            choice.name: CategoricalDistribution(choice.options) for choice in costing.space.choices
        }

    def ask(self, tally: Tally, *, unfinished: int) -> tuple[Trial, ArchSpec]:
        """Starts a trial; a sampler gives way to random draws where it only brings up the same.

        That is networks which are known, or such as are over a limit or cannot win. The seed is
        that of the trials which ended, and with any `unfinished` of both numbers, so that no two
        trials have the same.
        """
        parts = (tally.finished, unfinished) if unfinished else (tally.finished,)
        seed = derive_seed(self.seed, "sampler", *parts)
        self.study.sampler = self._random(seed, tally) if tally.stuck else self.sampler(seed)
        trial = self.study.ask(self.distributions)
        return trial, self.costing.space.decode(trial.params)

    def _random(self, seed: int, tally: Tally) -> BaseSampler:
        rng = np.random.default_rng(seed)
        if self.ceiling is not None:
            if drawn := self.ceiling.draw(self.study, rng):
                return FixedSampler(drawn)
            tally.nothing_can_win()
        if not self.costing.limits:
            return RandomSampler(seed=seed)
        return FixedSampler(self.costing.draw(rng))

    def hopeless(self, costs: Mapping[str, float]) -> str | None:
        """Says why a network of these costs cannot win; None where it can, for all one knows."""
        return None if self.ceiling is None else self.ceiling.why(self.study, costs)
