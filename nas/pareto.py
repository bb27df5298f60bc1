"""The Pareto front of accuracy against cost, and how much it dominates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["hypervolume", "hypervolumes", "pareto_front"]

T = TypeVar("T")


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


def hypervolumes(
    items: Iterable[T],
    *,
    gain: Callable[[T], float],
    cost: Callable[[T], float],
    least_gain: float,
    most_cost: float,
) -> list[float]:
    """Returns the hypervolume after each item, in their order."""
    found, front = list[float](), list[T]()
    for item in items:
        front = pareto_front([*front, item], gain=gain, cost=cost)
        found.append(
            hypervolume(front, gain=gain, cost=cost, least_gain=least_gain, most_cost=most_cost)
        )
    return found
