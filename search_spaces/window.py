"""Architectures of a space drawn uniformly from those within a window of MACs, however few."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from search_spaces.errors import InputError
from search_spaces.middle import Middle
from search_spaces.sums import Reach, end_tails, grow_head, grow_tail, moves_of, picked, start_head

if TYPE_CHECKING:
    from search_spaces.tables import CostTables

__all__ = ["MacsWindow"]

Array = np.ndarray
MOST_IN_HEAD = 2**21
MOST_IN_TAIL = 10 * 2**20
BATCH = 8192
MOST_BARREN_BATCHES = 50


class MacsWindow:
    """Draws encoded architectures of `low` to `high` MACs, each as likely as any other.

    The exact sums of the first stages (the head) and of the last ones (the tail) are listed from
    both ends. Where the lists meet, the tails that complete each head within the window are
    counted, and nothing that is drawn is thrown away. Where a space is too large for that, the
    head, the stages in between and the tail are drawn by upper bounds of these numbers, and what
    a bound was too high by is evened out by rejection: just as uniform. Weights are float64: all
    chances are equal but for a share of 1e-9 in all.
    Raises `InputError` where the window holds no network.
    """

    def __init__(self, tables: CostTables, low: float, high: float) -> None:
        self.tables, self.low, self.high = tables, low, high
        least, most = tables.macs_range()
        if low > high or high < least or low > most:
            raise self._empty()
        self.window = math.ceil(max(low, least)), math.floor(min(high, most))
        self.moves = [moves_of(stage) for stage in tables.stages]
        self.heads, self.tails = [start_head(tables)], [end_tails(tables)]
        reach = Reach.of(tables)
        while self.middle and self._grow(reach):
            pass
        head = self.heads[-1]
        self.between: Middle | None = None
        if self.middle and len(head.macs):
            stages = [self.moves[number] for number in self.middle]
            self.between = Middle(stages, self.tails[-1], self.window, int(head.macs.min()))
            weights = self.between.weights(head.macs, head.width)
        else:
            weights = self.completions(head.macs, head.width)[0]
        self.steps = (head.ways * weights).cumsum()
        if not len(self.steps) or not self.steps[-1]:
            raise self._empty()

    @property
    def middle(self) -> range:
        """Lists the stages that are in neither list."""
        return range(len(self.heads) - 1, len(self.moves) + 1 - len(self.tails))

    def _empty(self) -> InputError:
        least, most = self.tables.macs_range()
        return InputError(
            f"no network of space {self.tables.space.name!r} was found from {self.low / 1e6:.6g}M "
            f"to {self.high / 1e6:.6g}M MACs; it reaches {least / 1e6:.4g}M to {most / 1e6:.4g}M"
        )

    def _grow(self, reach: Reach) -> bool:
        """Makes a list longer by a stage, the shorter one if it can be; tells whether it did."""
        heads = len(self.heads[-1].macs) * len(self.moves[self.middle[0]][0].macs)
        tails = sum(len(tail.macs) for tail in self.tails[-1])
        tails *= len(self.moves[self.middle[-1]][0].macs)
        ways = [self._grow_head, self._grow_tail]
        return any(grow(reach) for grow in (ways if heads <= tails else reversed(ways)))

    def _grow_head(self, reach: Reach) -> bool:
        stage = self.middle[0]
        grown = grow_head(
            self.heads[-1], self.moves[stage], reach.behind[stage + 1], self.window, MOST_IN_HEAD
        )
        self.heads += [grown] if grown else []
        return grown is not None

    def _grow_tail(self, reach: Reach) -> bool:
        stage = self.middle[-1]
        grown = grow_tail(
            self.tails[-1], self.moves[stage], reach.before[stage], self.window, MOST_IN_TAIL
        )
        self.tails += [grown] if grown else []
        return grown is not None

    def completions(self, macs: Array, width: Array) -> tuple[Array, Array]:
        """Counts the tails that bring each of `macs` (N,) into the window, and those before."""
        ways, start = np.zeros(len(macs)), np.zeros(len(macs))
        for index, tail in enumerate(self.tails[-1]):
            here = np.flatnonzero(width == index)
            here = here[np.argsort(macs[here])]  # looked up in order, which is many times faster
            first, end = tail.between(self.window[0] - macs[here], self.window[1] - macs[here])
            start[here] = tail.total[first]
            ways[here] = tail.total[end] - start[here]
        return ways, start

    def sample(self, rng: np.random.Generator, count: int) -> Array:
        """Draws `count` architectures, encoded as int64 (count, choices)."""
        found = [np.zeros((0, len(self.tables.space.choices)), dtype=np.int64)]
        missing, barren = count, 0
        while missing > 0:
            drawn = self._draw(rng, BATCH if self.between else min(missing, BATCH))[:missing]
            barren = 0 if len(drawn) else barren + 1
            if barren > MOST_BARREN_BATCHES:
                raise self._empty()
            found.append(drawn)
            missing -= len(drawn)
        return np.concatenate(found)

    def _draw(self, rng: np.random.Generator, count: int) -> Array:
        """Draws at most `count` architectures."""
        aims = (1 - rng.random(count)) * self.steps[-1]  # above 0: no weight of 0 is met
        entry = np.searchsorted(self.steps, aims)
        head = self.heads[-1]
        macs, width = head.macs[entry], head.width[entry]
        steps: list[tuple[Array, Array]] = []
        if self.between:
            path = self.between.draw(rng, macs, width)
            ways, start = self.completions(path.macs, path.width)
            kept = np.flatnonzero(rng.random(count) * path.bound < ways)
            entry, width, ways, start = entry[kept], path.width[kept], ways[kept], start[kept]
            steps = [(before[kept], group[kept]) for before, group in path.steps]
        else:
            ways, start = self.completions(macs, width)
        aims = start + np.floor(rng.random(len(entry)) * ways)
        groups = [*self._head_groups(entry), *steps, *self._tail_groups(width, aims)]
        return self._encoded(rng, groups)

    def _head_groups(self, entry: Array) -> list[tuple[Array, Array]]:
        """Returns by stage the input width and group of entries (N,) of the head."""
        groups = []
        for head, shorter in zip(self.heads[:0:-1], self.heads[-2::-1], strict=True):
            group, entry = head.group[entry], head.parent[entry]
            groups.append((shorter.width[entry], group))
        return groups[::-1]

    def _tail_groups(self, width: Array, aims: Array) -> list[tuple[Array, Array]]:
        """Returns by stage the input width and group of the tails that hold ways number `aims`."""
        groups, entry = [], np.zeros(len(width), dtype=np.int64)
        for number, tail in enumerate(self.tails[-1]):
            here = np.flatnonzero(width == number)
            entry[here] = tail.holding(aims[here])
        stages = self.moves[self.middle.stop :]
        for moves, tails in zip(stages, self.tails[:0:-1], strict=True):
            group = picked([tail.group for tail in tails], width, entry)
            groups.append((width, group))
            entry = picked([tail.child for tail in tails], width, entry)
            width = picked([move.after for move in moves], width, group)
        return groups

    def _encoded(self, rng: np.random.Generator, groups: Sequence[tuple[Array, Array]]) -> Array:
        """Draws a combination out of each stage's group; returns int64 (N, choices)."""
        columns: list[Array] = []
        for (width, group), stage, moves in zip(
            groups, self.tables.stages, self.moves, strict=True
        ):
            counts = picked([move.counts for move in moves], width, group)
            starts = picked([move.starts for move in moves], width, group)
            member = starts + (rng.random(len(group)) * counts).astype(np.int64)
            chosen = picked([move.members for move in moves], width, member)
            columns.append(stage.places.choices(chosen))
        return np.concatenate(columns, axis=1)
