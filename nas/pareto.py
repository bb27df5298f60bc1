"""The Pareto front of accuracy against cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["pareto_front"]

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
