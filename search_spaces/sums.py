"""Exact sums of MACs over the first and over the last stages of a space, listed to be looked up.

A list is grown by a stage at a time, and what no network within the window can hold is left out:
a window in a thin part of the space is listed to the middle, however large the space.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from search_spaces.tables import CostTables, StageTable

__all__ = [
    "Head",
    "Moves",
    "Reach",
    "Tail",
    "end_tails",
    "grow_head",
    "grow_tail",
    "moves_of",
    "picked",
    "start_head",
]

Array = np.ndarray
FAR = 2**62  # more MACs than any network has
MOST_EXACT = 2**53  # a float64 counts exactly up to here


@dataclass(frozen=True, slots=True)
class Moves:
    """Groups the combinations of one stage's choices, at one input width, by what they lead to.

    `macs`, `after` (the output's width, by index) and `counts` have one entry a group (G,);
    `members` lists the combinations, group after group from `starts`.
    """

    macs: Array
    after: Array
    counts: Array
    starts: Array
    members: Array


def picked(tables: Sequence[Array], which: Array, place: Array) -> Array:
    """Returns, for each of N, the value at `place` of table number `which`."""
    found = np.empty(len(which), dtype=tables[0].dtype if tables else np.int64)
    for number, table in enumerate(tables):
        here = np.flatnonzero(which == number)
        found[here] = table[place[here]]
    return found


def moves_of(stage: StageTable) -> tuple[Moves, ...]:
    """Groups a stage's combinations for each of its input widths."""
    return tuple(map(_moves, stage.macs, stage.after))


def _moves(macs: Array, after: Array) -> Moves:
    pairs = np.stack([macs, after])
    distinct, group, counts = np.unique(pairs, axis=1, return_inverse=True, return_counts=True)
    members = np.argsort(group.reshape(-1), kind="stable")
    starts = np.cumsum(counts) - counts
    return Moves(distinct[0], distinct[1], counts, starts, members)


@dataclass(frozen=True, slots=True)
class Reach:
    """Holds, before each stage and for each width, the fewest and most MACs on either side.

    `before` and `behind` are lists over stages of (least, most), each (widths,).
    """

    before: tuple[tuple[Array, Array], ...]
    behind: tuple[tuple[Array, Array], ...]

    @classmethod
    def of(cls, tables: CostTables) -> Reach:
        """Finds them by going through the stages from both ends."""
        least = most = np.array([tables.fixed[0]])
        before = [(least, most)]
        for stage in tables.stages:
            widths = int(stage.after.max()) + 1
            bounds = np.full(widths, FAR), np.full(widths, -FAR)
            np.minimum.at(bounds[0], stage.after, least[:, None] + stage.macs)
            np.maximum.at(bounds[1], stage.after, most[:, None] + stage.macs)
            least, most = bounds
            before.append(bounds)
        least = most = tables.tails[:, 0]
        behind = [(least, most)]
        for stage in reversed(tables.stages):
            least = (stage.macs + least[stage.after]).min(axis=1)
            most = (stage.macs + most[stage.after]).max(axis=1)
            behind.insert(0, (least, most))
        return cls(tuple(before), tuple(behind))


@dataclass(frozen=True, slots=True)
class Head:
    """Lists the first stages' groups: MACs, output width, combinations, all (N,).

    `parent` is the entry of the list that is shorter by a stage, `group` what was added to it.
    """

    macs: Array
    width: Array
    ways: Array
    parent: Array
    group: Array


def start_head(tables: CostTables) -> Head:
    """Returns the list of no stages: the stem."""
    zero = np.zeros(1, dtype=np.int64)
    return Head(zero + tables.fixed[0], zero, np.ones(1), zero, zero)


def grow_head(
    head: Head,
    moves: Sequence[Moves],
    behind: tuple[Array, Array],
    window: tuple[int, int],
    most: int,
) -> Head | None:
    """Adds a stage to a list, `behind` which lie so few and so many MACs; None beyond `most`."""
    (low, high), (least, largest), size = window, behind, 0
    parts: list[tuple[Array, ...]] = []
    for width, move in enumerate(moves):
        here = np.flatnonzero(head.width == width)
        macs, ways = head.macs[here], head.ways[here]
        for group, (cost, after) in enumerate(zip(move.macs, move.after, strict=True)):
            reached = macs + cost
            inside = (reached + least[after] <= high) & (reached + largest[after] >= low)
            kept = np.flatnonzero(inside)
            size += len(kept)
            if size > most:
                return None
            added = np.full(len(kept), after), np.full(len(kept), group)
            times = ways[kept] * move.counts[group]
            parts.append((reached[kept], added[0], times, here[kept], added[1]))
    return Head(*(np.concatenate(column) for column in zip(*parts, strict=True)))


@dataclass(frozen=True, slots=True)
class Tail:
    """Lists the last stages' groups from one input width, sorted by MACs, all (N,).

    `total` (N + 1,) counts the combinations before each entry; `child` is the entry of the shorter
    list, for the width that `group` leads to.
    """

    macs: Array
    total: Array
    group: Array
    child: Array

    def holding(self, ways: Array) -> Array:
        """Returns the entries that hold the combinations of these numbers (N,)."""
        return np.searchsorted(self.total, ways, side="right") - 1

    def between(self, low: Array, high: Array) -> tuple[Array, Array]:
        """Returns the places of the first entry from `low` and of the first beyond `high`."""
        return np.searchsorted(self.macs, low), np.searchsorted(self.macs, high, side="right")


def end_tails(tables: CostTables) -> tuple[Tail, ...]:
    """Returns the lists of no stages: the network's end, for each width."""
    zero = np.zeros(1, dtype=np.int64)
    return tuple(Tail(zero + macs, np.array([0.0, 1.0]), zero, zero) for macs in tables.tails[:, 0])


def grow_tail(
    tails: Sequence[Tail],
    moves: Sequence[Moves],
    before: tuple[Array, Array],
    window: tuple[int, int],
    most: int,
) -> tuple[Tail, ...] | None:
    """Puts a stage before lists (one a width); None for more than `most` entries in all."""
    (low, high), grown, size = window, [], 0
    for move, fewest, largest in zip(moves, *before, strict=True):
        parts = []
        for group, (cost, after) in enumerate(zip(move.macs, move.after, strict=True)):
            tail = tails[after]
            start, end = tail.between(low - largest - cost, high - fewest - cost)
            size += max(0, int(end - start))
            if size > most:
                return None
            if start < end:
                parts.append((group, start, end))
        made = _joined(tails, move, parts)
        if made.total[-1] > MOST_EXACT:
            return None
        grown.append(made)
    return tuple(grown)


def _joined(tails: Sequence[Tail], move: Moves, parts: list[tuple[int, int, int]]) -> Tail:
    """Lists, sorted, what the groups and their pieces (group, start, end) of `tails` add up to."""
    macs, ways = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    group, child = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)]
    for number, start, end in parts:
        tail = tails[move.after[number]]
        macs.append(move.macs[number] + tail.macs[start:end])
        ways.append(move.counts[number] * np.diff(tail.total[start : end + 1]))
        group.append(np.full(end - start, number, dtype=np.int32))
        child.append(np.arange(start, end, dtype=np.int32))
    sums = np.concatenate(macs)
    order = np.argsort(sums)
    total = np.concatenate([[0.0], np.concatenate(ways)[order].cumsum()])
    return Tail(sums[order], total, np.concatenate(group)[order], np.concatenate(child)[order])
