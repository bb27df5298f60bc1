"""The aim that is a whole Pareto front: accuracy against one cost, neither weighed by the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from nas.objective import Direction, Objective
from nas.pareto import Span, contributions, hypervolume, hypervolumes, pareto_front

__all__ = ["Front", "base_reward"]

LEAST = 0.0  # the accuracy of the reference point

T = TypeVar("T")
Point = Callable[[T], tuple[float, float]]
"""Tells an item's accuracy in [0, 1] and its cost."""


def base_reward(
    target: float | None, exponent: float | None, cost: str, *, scale: float = 1.0
) -> Objective:
    """Returns the reward by which one network of a front becomes the base.

    With a target, MnasNet's hard reward: the most accurate at no more than T. Without, its soft
    one, whose best network no T changes (it only multiplies all rewards, and is the `scale`): the
    front's knee, from where on a doubling of the cost buys less than 5% of accuracy.
    """
    if target is None:
        return Objective("soft", scale, exponent, cost)
    return Objective("hard", target, exponent, cost)


@dataclass(frozen=True, slots=True)
class Front:
    """Aims at the front of accuracy against the cost of `base`, over a span of it.

    `base` is the reward that chooses one network of the front.
    """

    span: Span
    base: Objective

    @property
    def cost(self) -> str:
        """Names the cost."""
        return self.base.cost

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Says what a study does with the values that it is told."""
        return ("maximize", "minimize")

    @property
    def weighs(self) -> tuple[str, ...]:
        """Names the cost, which the base's reward weighs."""
        return self.base.weighs

    def told(self, reward: float, accuracy: float, costs: Mapping[str, float]) -> tuple[float, ...]:
        """Returns what a study is told of a network: its accuracy and its cost."""
        return (accuracy, costs[self.cost])

    def reward(self, accuracy: float, costs: Mapping[str, float]) -> float:
        """Returns what the base has the most of."""
        return self.base.reward(accuracy, costs)

    def of(self, items: Iterable[T], point: Point[T]) -> list[T]:
        """Returns the items that no other beats in both accuracy and cost, cheapest first."""
        return pareto_front(
            items, gain=lambda item: point(item)[0], cost=lambda item: point(item)[1]
        )

    def hypervolume(self, items: Iterable[T], point: Point[T]) -> float:
        """Returns the best accuracy for each budget, averaged over the span's logarithm.

        That is the hypervolume with the reference point (0, `span.high`), divided by the span.
        """
        gain, cost = self._axes(point)
        return hypervolume(items, gain=gain, cost=cost, least_gain=LEAST, most_cost=1.0)

    def hypervolumes(self, items: Iterable[T], point: Point[T]) -> list[float]:
        """Returns the hypervolume after each item, in their order."""
        gain, cost = self._axes(point)
        return hypervolumes(items, gain=gain, cost=cost, least_gain=LEAST, most_cost=1.0)

    def contributions(self, front: Iterable[T], point: Point[T]) -> list[float]:
        """Returns the hypervolume that would be lost without each network of a front."""
        gain, cost = self._axes(point)
        return contributions(front, gain=gain, cost=cost, least_gain=LEAST, most_cost=1.0)

    def _axes(self, point: Point[T]) -> tuple[Callable[[T], float], Callable[[T], float]]:
        return lambda item: point(item)[0], lambda item: self.span.place(point(item)[1])
