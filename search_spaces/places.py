"""Where each stage's choices stand in an encoded architecture, and which combination they are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from search_spaces.stage_options import OpOptions, StageOptions

__all__ = ["Places", "places_of"]


@dataclass(frozen=True, slots=True)
class Places:
    """Holds the columns of one stage's choices, and how many options each of them has.

    Combinations are numbered with the last choice changing fastest.
    """

    columns: tuple[int, ...]
    sizes: tuple[int, ...]

    def combination(self, encoded: np.ndarray) -> np.ndarray:
        """Returns the number of each row's combination, (N,), for `encoded` (N, choices)."""
        found = np.zeros(len(encoded), dtype=np.int64)
        for column, size in zip(self.columns, self.sizes, strict=True):
            found = found * size + encoded[:, column]
        return found

    def choices(self, combination: np.ndarray) -> np.ndarray:
        """Returns the stage's columns, int64 (N, columns), of combinations (N,)."""
        if not self.sizes:
            return np.zeros((len(combination), 0), dtype=np.int64)
        return np.stack(np.unravel_index(combination, self.sizes), axis=1).astype(np.int64)


def places_of(options: Iterable[StageOptions | OpOptions]) -> tuple[Places, ...]:
    """Gives the stages their columns, in the order of the network."""
    places, column = [], 0
    for stage in options:
        sizes = tuple(len(values) for values in stage.table().values() if len(values) > 1)
        places.append(Places(tuple(range(column, column + len(sizes))), sizes))
        column += len(sizes)
    return tuple(places)
