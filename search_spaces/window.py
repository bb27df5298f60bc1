"""Architectures of a space drawn uniformly from those within a window of MACs, however few."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from search_spaces.errors import InputError

if TYPE_CHECKING:
    from search_spaces.tables import CostTables, StageTable

__all__ = ["MacsWindow"]

MOST_BINS = 2**19
BINS_IN_WINDOW = 64
BATCH = 8192
MOST_BARREN_BATCHES = 50


class MacsWindow:
    """Draws encoded architectures of `low` to `high` MACs, each as likely as any other.

    MACs are cut into bins, and for every stage, width and bins spent before it is counted in how
    many ways the rest can end in the window, or, since every stage was rounded down, a little
    below it. Choices are drawn by these counts; the few outside the exact window are thrown away.
    Raises `InputError` where the window holds no network.
    """

    def __init__(self, tables: CostTables, low: float, high: float) -> None:
        self.tables, self.low, self.high = tables, low, high
        least, most = tables.macs_range()
        if low > high or high < least or low > most:
            raise self._empty()
        stages = tables.stages
        low, widest = max(low, least), min(high, most)
        finest = (widest - least) / MOST_BINS
        self.width = max(1, int(np.ceil(max(finest, (widest - low) / BINS_IN_WINDOW))))
        self.start = tables.fixed[0] // self.width
        lowest = int(low // self.width) - len(stages) - 1
        bins = int(widest // self.width) + 1
        tails = tables.tails[:, 0] // self.width
        spent = np.arange(bins) + tails[:, None]
        ways = ((spent >= lowest) & (spent < bins)).astype(np.float64)
        self.ways = [ways]
        for stage in reversed(stages):
            ways = self._before(stage, ways)
            self.ways.insert(0, ways)
        if not self.ways[0][0, self.start]:
            raise self._empty()

    def _empty(self) -> InputError:
        least, most = self.tables.macs_range()
        return InputError(
            f"no network of space {self.tables.space.name!r} was found from {self.low / 1e6:.6g}M "
            f"to {self.high / 1e6:.6g}M MACs; it reaches {least / 1e6:.4g}M to {most / 1e6:.4g}M"
        )

    def _before(self, stage: StageTable, ways: np.ndarray) -> np.ndarray:
        """Counts, from the ways after a stage (widths, bins), those before it."""
        before = np.zeros((len(stage.macs), ways.shape[1]))
        for width, row in enumerate(before):
            cells = np.stack([stage.macs[width] // self.width, stage.after[width]])
            for (cost, after), times in zip(*_counted(cells), strict=True):
                if cost < ways.shape[1]:
                    row[: ways.shape[1] - cost] += times * ways[after, cost:]
        return before

    def sample(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws `count` architectures, encoded as int64 (count, choices)."""
        found: list[np.ndarray] = []
        missing, barren = count, 0
        while missing > 0:
            drawn = self._propose(rng, BATCH)
            macs, _ = self.tables.count(drawn)
            kept = drawn[(macs >= self.low) & (macs <= self.high)][:missing]
            barren = 0 if len(kept) else barren + 1
            if barren > MOST_BARREN_BATCHES:
                raise self._empty()
            found.append(kept)
            missing -= len(kept)
        return np.concatenate(found) if found else self._propose(rng, 1)[:0]

    def _propose(self, rng: np.random.Generator, count: int) -> np.ndarray:
        width = np.zeros(count, dtype=np.int64)
        spent = np.full(count, self.start)
        columns: list[np.ndarray] = []
        for stage, ways in zip(self.tables.stages, self.ways[1:], strict=True):
            cost, after = stage.macs // self.width, stage.after
            reached = spent[:, None] + cost[width]
            inside = reached < ways.shape[1]
            weights = np.where(inside, ways[after[width], np.where(inside, reached, 0)], 0.0)
            steps = weights.cumsum(axis=1)
            aim = (1 - rng.random(count)) * steps[
                :, -1
            ]  # above 0, so that a weight of 0 is not met
            chosen = (steps < aim[:, None]).sum(axis=1)
            columns += np.unravel_index(chosen, stage.sizes) if stage.sizes else ()
            spent, width = spent + cost[width, chosen], after[width, chosen]
        return np.stack(columns, axis=1).astype(np.int64)


def _counted(cells: np.ndarray) -> tuple[list[tuple[int, int]], list[int]]:
    """Returns the distinct columns of `cells` (2, N), and how often each is there."""
    distinct, times = np.unique(cells, axis=1, return_counts=True)
    return [(int(cost), int(after)) for cost, after in distinct.T], times.tolist()
