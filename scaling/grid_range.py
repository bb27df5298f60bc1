"""The range of α, β, γ: its points, and how far each is from the cost that is aimed at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from scaling.compound import Constants
from search_spaces.errors import InputError

__all__ = ["EPSILON", "Constraint", "GridRange"]

Constraint = Literal["nominal", "counted"]

MAX_POINTS = 200_000
EPSILON = 1e-9  # below any step that matters, above the error of a product of floats


@dataclass(frozen=True, slots=True)
class GridRange:
    """Bounds the grid: [low, high] of each constant, and |cost ratio − product| < tolerance.

    The cost ratio is α·β²·γ² itself under the constraint `nominal`, and under `counted` the
    counted MACs of a base scaled with φ = 1 over its own, after rounding.

    EfficientNet published neither range nor step nor tolerance; the defaults are a later
    replication's and keep 108 of 2,541 points, the paper's (1.2, 1.1, 1.15) among them.
    Raises `InputError` for bounds that make no grid, or one of more than 200,000 points.
    """

    alpha: tuple[float, float] = (1.0, 2.0)
    beta: tuple[float, float] = (1.0, 1.5)
    gamma: tuple[float, float] = (1.0, 1.5)
    step: float = 0.05
    tolerance: float = 0.1
    product: float = 2.0
    constraint: Constraint = "nominal"

    def __post_init__(self) -> None:
        for name in ("step", "tolerance", "product"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"grid: {name} is {value!r}; it must be a positive number")
        for name in ("alpha", "beta", "gamma"):
            low, high = getattr(self, name)
            if not 1 <= low <= high < math.inf:
                raise InputError(
                    f"grid: {name} runs from {low!r} to {high!r}; it must start at 1 or above "
                    "and not end below its start"
                )
        if self.constraint not in get_args(Constraint):
            known = " or ".join(get_args(Constraint))
            raise InputError(f"grid: no constraint is called {self.constraint!r}; it is {known}")
        if self.size > MAX_POINTS:
            raise InputError(
                f"grid: {self.size:,} points are more than {MAX_POINTS:,}; "
                f"widen the step ({self.step:g}) or narrow the ranges"
            )

    @property
    def size(self) -> int:
        """Counts the points of the grid, before the tolerance leaves only some."""
        return math.prod(self._steps(*bounds) + 1 for bounds in self._bounds)

    @property
    def _bounds(self) -> tuple[tuple[float, float], ...]:
        return (self.alpha, self.beta, self.gamma)

    def _steps(self, low: float, high: float) -> int:
        return math.floor((high - low) / self.step + EPSILON)

    def _axis(self, low: float, high: float) -> list[float]:
        # Counted in whole steps and rounded, so that 1 + 3·0.05 is 1.15 and not 1.1500000000000001.
        return [round(low + i * self.step, 10) for i in range(self._steps(low, high) + 1)]

    def points(self) -> Iterator[Constants]:
        """Yields every point of the grid, α slowest."""
        axes = (self._axis(*bounds) for bounds in self._bounds)
        return itertools.starmap(Constants, itertools.product(*axes))

    def admits(self, ratio: float) -> bool:
        """Tells whether a cost ratio is strictly within the tolerance of the product."""
        return self.distance(ratio) < self.tolerance - EPSILON

    def distance(self, ratio: float) -> float:
        """Returns |ratio − product|."""
        return abs(ratio - self.product)
