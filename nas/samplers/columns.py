"""Parameters of any Optuna search space as rows of numbers, and what a model sees of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

__all__ = ["Columns", "row_keys"]

Array = np.ndarray


class Columns:
    """Turns parameters into rows (N, parameters) and back.

    A categorical parameter is the index of its choice; a numeric one lies in [0, 1], on its own
    scale: logarithmic or not, in steps or not.
    """

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        self.space = dict(space)
        self.names = tuple(self.space)
        self.sizes = np.array([_size(each) for each in self.space.values()], dtype=np.int64)
        self.numeric = self.sizes == 0
        self.ordered = np.array([_ordered(each) for each in self.space.values()], dtype=bool)
        self._index = [
            {choice: i for i, choice in enumerate(each.choices)}
            if isinstance(each, CategoricalDistribution)
            else {}
            for each in self.space.values()
        ]

    @property
    def count(self) -> int | None:
        """Counts the combinations of choices; None where a parameter is numeric."""
        if self.numeric.any():
            return None
        return int(np.prod(self.sizes, dtype=object))

    def holds(self, params: Mapping[str, Any]) -> bool:
        """Tells whether these are values of all the parameters."""
        return all(
            name in params
            and (
                params[name] in known
                if known
                else each._contains(each.to_internal_repr(params[name]))
            )
            for (name, each), known in zip(self.space.items(), self._index, strict=True)
        )

    def encode(self, many: Sequence[Mapping[str, Any]]) -> Array:
        """Returns one row for each set of parameters."""
        columns = [
            [known[p[name]] for p in many] if known else _unit([p[name] for p in many], each)
            for (name, each), known in zip(self.space.items(), self._index, strict=True)
        ]
        return np.array(columns, dtype=float).reshape(len(self.names), len(many)).T

    def decode(self, row: Array) -> dict[str, Any]:
        """Returns the parameters of a row."""
        return {
            name: each.choices[int(value)]
            if isinstance(each, CategoricalDistribution)
            else _plain(value, each)
            for (name, each), value in zip(self.space.items(), row, strict=True)
        }

    def all(self) -> Array:
        """Returns every row of a space without numeric parameters."""
        grids = np.indices(tuple(self.sizes), dtype=np.int64)
        return np.moveaxis(grids, 0, -1).reshape(-1, len(self.names)).astype(float)

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Draws rows uniformly."""
        drawn = rng.random((count, len(self.names)))
        drawn = np.where(self.numeric, drawn, np.floor(drawn * self.sizes))
        return self._snapped(drawn)

    def changed(self, rows: Array, rng: np.random.Generator) -> Array:
        """Changes one parameter or a few of each row, a numeric one often only a little."""
        count, width = rows.shape
        wanted = rng.geometric(0.5, size=count)
        chosen = rng.random(rows.shape) < ((wanted - 1) / width)[:, None]
        chosen[np.arange(count), rng.integers(width, size=count)] = True
        row, column = np.nonzero(chosen)
        sizes, drawn = self.sizes[column], rng.random(len(row))
        turned = (rows[chosen] + 1 + np.floor(drawn * (sizes - 1))) % np.maximum(sizes, 1)
        if self.numeric.any():
            stepped = (rows[chosen] + rng.normal(scale=0.1, size=len(row))).clip(0, 1)
            moved = np.where(rng.random(len(row)) < 0.75, stepped, drawn)
            turned = np.where(self.numeric[column], moved, turned)
        new = rows.copy()
        new[row, column] = turned
        return self._snapped(new)

    def neighbours(self, row: Array) -> Array:
        """Returns every row that differs in one choice, and numeric parameters a step away."""
        steps = [
            np.arange(1, size) + row[column] if size else _beside(row[column])
            for column, size in enumerate(self.sizes)
        ]
        column = np.repeat(np.arange(len(steps)), [len(each) for each in steps])
        found = np.tile(row, (len(column), 1))
        values, sizes = np.concatenate(steps), self.sizes[column]
        found[np.arange(len(column)), column] = np.where(
            sizes > 0, values % np.maximum(sizes, 1), values
        )
        return self._snapped(found)

    def _snapped(self, rows: Array) -> Array:
        for column in np.flatnonzero(self.numeric):
            each = self.space[self.names[column]]
            values = [_plain(value, each) for value in rows[:, column]] if _stepped(each) else None
            if values is not None:
                rows[:, column] = _unit(values, each)
        return rows

    def effects(self, rows: Array) -> Array:
        """Returns one centred column for each choice of each parameter: effects of their own.

        Scaled so that a random row has a length of about 1.
        """
        widths = np.maximum(self.sizes, 1)
        shares = 1 / widths
        scale = np.where(self.numeric, 12, 1 / np.maximum(1 - shares, 0.5)) ** 0.5
        scale = scale / max(1, len(widths)) ** 0.5
        first = np.cumsum(widths) - widths
        found = np.tile(np.repeat(-shares * scale, widths), (len(rows), 1))
        listed = np.flatnonzero(~self.numeric)
        at = first[listed] + rows[:, listed].astype(np.int64)
        found[np.arange(len(rows))[:, None], at] += scale[listed]
        found[:, first[self.numeric]] = (rows[:, self.numeric] - 0.5) * scale[self.numeric]
        return found

    def places(self, rows: Array) -> tuple[Array, Array]:
        """Returns columns in which near means alike, and the parameter that each belongs to.

        Numbers are placed by their order in [0, 1]; other choices all lie 1 apart.
        """
        line = np.flatnonzero(self.ordered)
        columns = [rows[:, line] / np.maximum(self.sizes[line] - 1, 1)]
        groups = [line]
        for i in np.flatnonzero(~self.ordered):
            columns.append(np.eye(self.sizes[i])[rows[:, i].astype(np.int64)] * 0.5**0.5)
            groups.append(np.full(self.sizes[i], i))
        return np.concatenate(columns, axis=1), np.concatenate(groups).astype(np.int64)


def row_keys(rows: Array) -> Array:
    """Returns a number (N,) for each row that is equal where the rows are."""
    bits = np.ascontiguousarray(rows, dtype=np.float64).view(np.uint64) + _salt(rows.shape[1])
    # a small number's bits are all at the top, where sums of products would lose them
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray((bits ^ (bits >> np.uint64(31))).sum(axis=1, dtype=np.uint64))


@lru_cache(maxsize=8)
def _salt(width: int) -> Array:
    return np.random.default_rng(0).integers(2**64, size=width, dtype=np.uint64)


def _size(each: BaseDistribution) -> int:
    return len(each.choices) if isinstance(each, CategoricalDistribution) else 0


def _ordered(each: BaseDistribution) -> bool:
    """Tells whether near values mean alike: numbers, or choices that are numbers in order."""
    if not isinstance(each, CategoricalDistribution):
        return True
    numbers = [choice for choice in each.choices if isinstance(choice, int | float)]
    return len(numbers) == len(each.choices) and numbers == sorted(numbers)


def _stepped(each: BaseDistribution) -> bool:
    return isinstance(each, IntDistribution) or getattr(each, "step", None) is not None


def _beside(value: float) -> Array:
    steps = value + np.array([-0.1, -0.03, -0.01, 0.01, 0.03, 0.1])
    return np.clip(steps, 0, 1)


def _unit(values: Sequence[float], each: BaseDistribution) -> Array:
    """Returns numeric values as shares of their range, which is halves wider around steps."""
    assert isinstance(each, FloatDistribution | IntDistribution)
    low, high = float(each.low), float(each.high)
    found = np.array(values, dtype=float)
    if each.log:
        low, high, found = np.log(low), np.log(high), np.log(found)
    return (found - low) / (high - low) if high > low else np.zeros(len(found))


def _plain(value: float, each: BaseDistribution) -> float | int:
    """Returns the parameter's own value at a share of its range."""
    assert isinstance(each, FloatDistribution | IntDistribution)
    low, high = float(each.low), float(each.high)
    found = (
        np.exp(np.log(low) + value * np.log(high / low)) if each.log else low + value * (high - low)
    )
    if each.step is not None and not each.log:
        found = low + round((found - low) / each.step) * each.step
    found = min(max(found, low), high)
    return round(found) if isinstance(each, IntDistribution) else float(found)
