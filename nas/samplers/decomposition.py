"""Takes a cost function apart: which choices act on the cost together, and what they add.

A function of one set of choices at a time is slow; where it is a sum over groups of choices, each
group's table gives thousands of costs at once, exactly. Nothing is assumed: where sums do not give
back what the function says, the function itself is asked.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["SummedCosts", "take_apart"]

Array = np.ndarray
CostOf = Callable[[dict[str, Any]], float]
PROBES, CHECKS, LARGEST = 4, 200, 2000
EXACT = 1e-9


class SummedCosts:
    """Adds up a base and one table for each group of columns."""

    def __init__(self, base: float, groups: Sequence[tuple[Array, Array, Array]]) -> None:
        self.base, self.groups = base, groups

    def parts(self, encoded: Array) -> Array:
        """Returns what each group adds (N, groups), 0 for its cheapest options."""
        found = [table[encoded[:, columns] @ strides] for columns, strides, table in self.groups]
        return np.stack(found, axis=1) if found else np.zeros((len(encoded), 0))

    def __call__(self, encoded: Array) -> Array:
        """Returns the costs (N,) of encoded choices (N, choices)."""
        return np.asarray(self.base + self.parts(encoded).sum(axis=1))


def take_apart(
    choices: Mapping[str, Sequence[Any]], cost: CostOf, *, seed: int = 0
) -> SummedCosts | None:
    """Finds the groups and their tables; None where a few large ones would be needed."""
    names, options = list(choices), list(choices.values())

    def ask(row: Array) -> float:
        return float(cost({n: o[i] for n, o, i in zip(names, options, row, strict=True)}))

    rng = np.random.default_rng(seed)
    sizes = np.array([len(each) for each in options])
    groups = _groups(ask, sizes, rng)
    if any(math.prod(sizes[group]) > LARGEST for group in groups):
        return None
    summed = _tables(ask, sizes, groups)
    rows = rng.integers(sizes, size=(CHECKS, len(sizes)))
    wanted = np.array([ask(row) for row in rows])
    return summed if np.allclose(summed(rows), wanted, rtol=EXACT, atol=0) else None


def _groups(
    ask: Callable[[Array], float], sizes: Array, rng: np.random.Generator
) -> list[list[int]]:
    """Joins columns whose effects on the cost do not simply add up."""
    group = np.arange(len(sizes))
    for one, two in itertools.combinations(range(len(sizes)), 2):
        if group[one] != group[two] and _act_together(ask, sizes, one, two, rng):
            group[group == group[two]] = group[one]
    return [np.flatnonzero(group == number).tolist() for number in np.unique(group)]


def _act_together(
    ask: Callable[[Array], float], sizes: Array, one: int, two: int, rng: np.random.Generator
) -> bool:
    for _ in range(PROBES):
        rows = np.tile(rng.integers(sizes), (4, 1))
        for column, changed in ((one, [1, 3]), (two, [2, 3])):
            rows[changed, column] += rng.integers(1, max(2, sizes[column]))
            rows[:, column] %= sizes[column]
        base, left, right, both = (ask(row) for row in rows)
        if abs(both - left - right + base) > EXACT * max(map(abs, (base, both, 1e-300))):
            return True
    return False


def _tables(ask: Callable[[Array], float], sizes: Array, groups: list[list[int]]) -> SummedCosts:
    origin = np.zeros(len(sizes), dtype=np.int64)
    base, found = ask(origin), []
    total = base
    for group in groups:
        shape = tuple(sizes[group])
        rows = np.tile(origin, (math.prod(shape), 1))
        rows[:, group] = np.stack([each.ravel() for each in np.indices(shape)], axis=1)
        table = np.array([ask(row) for row in rows]) - base
        total += table.min()
        strides = np.array([math.prod(shape[i + 1 :]) for i in range(len(shape))], dtype=np.int64)
        found.append((np.array(group), strides, table - table.min()))
    return SummedCosts(total, found)
