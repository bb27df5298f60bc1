"""The stages between two lists of exact sums: drawn by upper bounds kept for bins of MACs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from search_spaces.sums import Moves, Tail

__all__ = ["Middle", "Path"]

Array = np.ndarray
MOST_BINS = 2**17


@dataclass(frozen=True, slots=True)
class Path:
    """Holds what was drawn: by stage the input width and group; MACs, width and bound at the end.

    All are arrays (N,).
    """

    steps: tuple[tuple[Array, Array], ...]
    macs: Array
    width: Array
    bound: Array


class Middle:
    """Draws groups of the middle stages in proportion to how many tails may complete them at most.

    MACs spent before a stage are counted in bins from `base`, every stage's rounded down; so after
    `k` stages the exact sum lies less than k + 1 bins above. The bound of a bin is the most tails
    within the window that any sum which it may stand for has.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[Moves]],
        tails: Sequence[Tail],
        window: tuple[int, int],
        base: int,
    ) -> None:
        self.base, high = base, window[1]
        self.width = -(-max(1, high - base) // MOST_BINS)
        self.bins = (high - base) // self.width + 1
        self.stages = [_Table(moves, self.width) for moves in stages]
        ways = np.stack([self._bounds(tail, window) for tail in tails])
        self.ways = [ways]
        for table in reversed(self.stages):
            ways = table.before(ways)
            self.ways.insert(0, ways)

    def _bounds(self, tail: Tail, window: tuple[int, int]) -> Array:
        """Returns the most tails that any sum of each bin has, and 0 beyond the last: (bins + 1,).

        Sliding the window up over the tails, their number is largest where a tail is about to
        leave it, or at the end of the slide.
        """
        low, high = window
        span = len(self.stages) + 1
        starts = self.base + np.arange(self.bins) * self.width
        first, end = tail.between(low - starts, high - starts)
        most = tail.total[end] - tail.total[first]
        place = (low - self.base - tail.macs) // self.width
        inside = np.flatnonzero((place >= 0) & (place < self.bins))
        leaving = np.searchsorted(tail.macs, tail.macs[inside] + (high - low), side="right")
        np.maximum.at(most, place[inside], tail.total[leaving] - tail.total[inside])
        padded = np.append(most, np.zeros(span))
        for shift in range(1, span):
            np.maximum(most, padded[shift : shift + self.bins], out=most)
        return np.append(most, 0.0)

    def weights(self, macs: Array, width: Array) -> Array:
        """Returns the bound on the completions of heads (N,)."""
        weights: Array = self.ways[0][width, (macs - self.base) // self.width]
        return weights

    def draw(self, rng: np.random.Generator, macs: Array, width: Array) -> Path:
        """Draws the middle stages of heads (N,) that have a positive weight."""
        place, steps = (macs - self.base) // self.width, []
        for table, ways in zip(self.stages, self.ways[1:], strict=True):
            group = table.draw(rng, ways, width, place)
            steps.append((width, group))
            macs = macs + table.macs[width, group]
            place = place + table.bins[width, group]
            width = table.after[width, group]
        return Path(tuple(steps), macs, width, self.ways[-1][width, place])


class _Table:
    """Holds a stage's groups for every input width (widths, groups); missing ones have no ways."""

    def __init__(self, moves: Sequence[Moves], bin_width: int) -> None:
        shape = len(moves), max(len(move.macs) for move in moves)
        self.macs, self.after, self.counts = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        for width, move in enumerate(moves):
            size = len(move.macs)
            self.macs[width, :size] = move.macs
            self.after[width, :size] = move.after
            self.counts[width, :size] = move.counts
        self.bins = self.macs // bin_width

    def before(self, ways: Array) -> Array:
        """Adds up, from the ways after the stage (widths, bins + 1), those before it."""
        before = np.zeros((len(self.macs), ways.shape[1]))
        bins = ways.shape[1] - 1
        for width, row in enumerate(before):
            for after, shift, count in self._merged(width):
                if shift < bins:
                    row[: bins - shift] += count * ways[after, shift:bins]
        return before

    def _merged(self, width: int) -> Iterator[tuple[int, int, int]]:
        pairs = np.stack([self.after[width], self.bins[width]])
        distinct, group = np.unique(pairs, axis=1, return_inverse=True)
        counts = np.bincount(group.reshape(-1), weights=self.counts[width])
        for (after, shift), count in zip(distinct.T.tolist(), counts.tolist(), strict=True):
            yield after, shift, count

    def draw(self, rng: np.random.Generator, ways: Array, width: Array, place: Array) -> Array:
        """Draws a group for each of N inputs of some width that have spent some bins."""
        reached = np.minimum(place[:, None] + self.bins[width], ways.shape[1] - 1)
        cells = ways.take(self.after[width] * ways.shape[1] + reached) * self.counts[width]
        steps = cells.cumsum(axis=1)
        # Aims are above 0, so that what has no ways is not met.
        aims = (1 - rng.random(len(place))) * steps[:, -1]
        drawn: Array = (steps < aims[:, None]).sum(axis=1)
        return drawn
