"""Makes the grey-box sampler for problems that are tables of measured networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from nas.samplers.decomposition import take_apart
from nas.samplers.greybox import GreyBoxSampler
from nas.samplers.known import Known

__all__ = ["Problem", "known_of", "make_sampler"]

Array = np.ndarray


class Problem(Protocol):
    """Offers named choices, an exact cost, and the target and exponent of a soft reward."""

    choices: Mapping[str, Sequence[Any]]
    target: float
    exponent: float

    def cost(self, params: dict[str, Any]) -> float:
        """Returns the cost of one set of choices."""
        ...


def known_of(problem: Problem) -> Known:
    """Returns what is known of a problem's networks."""
    summed = take_apart(problem.choices, problem.cost)
    assert summed
    return Known(
        choices={name: tuple(options) for name, options in problem.choices.items()},
        costs=lambda encoded: summed(encoded)[:, None],
        factor=lambda encoded: (summed(encoded) / problem.target) ** problem.exponent,
        parts=summed.parts,
    )


def make_sampler(problem: Problem, seed: int) -> GreyBoxSampler:
    """Returns the sampler for a problem."""
    return GreyBoxSampler(seed=seed, known=known_of(problem))
