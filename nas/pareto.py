"""The Pareto front of accuracy against cost, and how much it dominates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeVar

import numpy as np

from search_spaces.errors import InputError

__all__ = ["Span", "contributions", "hypervolume", "hypervolumes", "pareto_front"]

T = TypeVar("T")
Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Span:
    """The costs from `low` to `high` over which fronts are held against one another.

    Raises `InputError` where these are no range of positive amounts.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low < self.high:
            raise InputError(
                f"a front's costs from {self.low:g} to {self.high:g} are no range; "
                "it takes two positive amounts, the smaller first"
            )

    def places(self, costs: Array) -> Array:
        """Returns where costs (N,) lie, in [0, 1], by their logarithm; those beyond at the ends.

        With places as costs, a hypervolume from an accuracy of 0 on is the mean over all budgets,
        spread evenly over the logarithm of cost, of the best accuracy that each pays for.
        """
        within = np.clip(costs, self.low, self.high)
        return np.asarray(np.log(within / self.low) / np.log(self.high / self.low))

    def place(self, cost: float) -> float:
        """Returns where one cost lies."""
        return float(self.places(np.array(cost)))


def pareto_front(
    items: Iterable[T], *, gain: Callable[[T], float], cost: Callable[[T], float]
) -> list[T]:
    """Returns the items that no other beats in both gain and cost, cheapest first."""
    front: list[T] = []
    for item in sorted(items, key=lambda item: (cost(item), -gain(item))):
        if not front or gain(item) > gain(front[-1]):
            front.append(item)
    return front


def hypervolume(
    items: Iterable[T],
    *,
    gain: Callable[[T], float],
    cost: Callable[[T], float],
    least_gain: float,
    most_cost: float,
) -> float:
    """Returns the area of gains and costs that some item is at least as good as.

    It is bounded by the reference point (`least_gain`, `most_cost`); what is worse than that in
    either adds nothing (Zitzler and Thiele, IEEE Trans. Evol. Comput. 3(4), 1999: the size of the
    space covered). With the front's items in order of cost, c₁ < c₂ < …, it is
    Σᵢ (gᵢ − least gain) · (min(cᵢ₊₁, most cost) − cᵢ), with cₙ₊₁ = most cost.
    """
    inside = [item for item in items if gain(item) > least_gain and cost(item) < most_cost]
    front = pareto_front(inside, gain=gain, cost=cost)
    ends = [*map(cost, front[1:]), most_cost]
    return sum(
        (gain(item) - least_gain) * (end - cost(item))
        for item, end in zip(front, ends, strict=False)
    )


_first: Callable[[tuple[float, float]], float] = itemgetter(0)
_second: Callable[[tuple[float, float]], float] = itemgetter(1)


def hypervolumes(
    items: Iterable[T],
    *,
    gain: Callable[[T], float],
    cost: Callable[[T], float],
    least_gain: float,
    most_cost: float,
) -> list[float]:
    """Returns the hypervolume after each item, in their order."""
    found, front = list[float](), list[tuple[float, float]]()
    for point in ((gain(item), cost(item)) for item in items):
        if found and any(g >= point[0] and c <= point[1] for g, c in front):
            found.append(found[-1])  # beaten: most of many are, and add nothing
            continue
        front = pareto_front([*front, point], gain=_first, cost=_second)
        bounds = {"least_gain": least_gain, "most_cost": most_cost}
        found.append(hypervolume(front, gain=_first, cost=_second, **bounds))
    return found


def contributions(
    front: Iterable[T],
    *,
    gain: Callable[[T], float],
    cost: Callable[[T], float],
    least_gain: float,
    most_cost: float,
) -> list[float]:
    """Returns the hypervolume that would be lost without each item of a front, cheapest first.

    With the item before and the one after, (gᵢ − gᵢ₋₁) · (cᵢ₊₁ − cᵢ), within the reference point.
    """
    items = list(front)
    gains = [least_gain, *(max(gain(item), least_gain) for item in items)]
    costs = [*(min(cost(item), most_cost) for item in items), most_cost]
    return [(gains[i + 1] - gains[i]) * (costs[i + 1] - costs[i]) for i in range(len(items))]
