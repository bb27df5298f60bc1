"""What encoded architectures of a space cost, thousands at once: one table a stage, added up.

A stage's cost depends on the others only through its input width, so a space is counted stage by
stage: a table holds every combination of a stage's choices for every width that can reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from search_spaces.cost import cost, stage_cost, tail_cost

if TYPE_CHECKING:
    from search_spaces.places import Places
    from search_spaces.space import SearchSpace
    from search_spaces.spec import StageSpec

__all__ = ["CostTables", "StageTable"]

Ints = np.ndarray  # of int64


@dataclass(frozen=True, slots=True)
class StageTable:
    """Counts one stage: arrays (input widths, combinations) of MACs, params and output's index.

    `widths` are the input widths in channels, `places` the stage's columns in an encoding.
    """

    places: Places
    widths: tuple[int, ...]
    macs: Ints
    params: Ints
    after: Ints


class CostTables:
    """Counts encoded architectures (N, choices) of one space exactly, as `cost` does."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        shell = cost(space.skeleton).stages[0]
        self.fixed = (shell.macs, shell.params)
        self.stages: list[StageTable] = []
        widths: tuple[int, ...] = (space.skeleton.stem_ch,)
        side = shell.side
        for base, stages, places in zip(
            space.skeleton.stages, space.combinations, space.places, strict=True
        ):
            widths = self._add(stages, places, widths, side)
            side = -(-side // base.stride)
        self.tails = np.array([tail_cost(space.skeleton, ch, side) for ch in widths])

    def _add(
        self,
        stages: Sequence[StageSpec | None],
        places: Places,
        widths: tuple[int, ...],
        side: int,
    ) -> tuple[int, ...]:
        """Adds the table of a stage, and returns the widths that it may have."""
        counted = {
            (stage, in_ch): self._count(stage, in_ch, side)
            for stage in dict.fromkeys(stages)
            for in_ch in widths
        }
        after = sorted({out_ch for _, _, out_ch in counted.values()})
        cells = np.array([[counted[stage, in_ch] for stage in stages] for in_ch in widths])
        macs, params, out_ch = np.moveaxis(cells, -1, 0)
        self.stages.append(StageTable(places, widths, macs, params, np.searchsorted(after, out_ch)))
        return tuple(after)

    def _count(self, stage: StageSpec | None, in_ch: int, side: int) -> tuple[int, int, int]:
        if stage is None:
            return 0, 0, in_ch
        counted = stage_cost("", self.space.skeleton.blocks_of(stage, in_ch), side)
        return counted.macs, counted.params, stage.out_ch

    def count(self, encoded: Ints) -> tuple[Ints, Ints]:
        """Returns MACs and params, each int64 (N,), of architectures encoded as (N, choices)."""
        stages = self.by_stage(encoded)
        return stages[0].sum(axis=1), stages[1].sum(axis=1)

    def by_stage(self, encoded: Ints) -> tuple[Ints, Ints]:
        """Returns MACs and params of stem, stages and head: each int64 (N, stages + 2)."""
        width = np.zeros(len(encoded), dtype=np.int64)
        found = np.empty((2, len(self.stages) + 2, len(encoded)), dtype=np.int64)
        found[:, 0] = np.array(self.fixed)[:, None]
        for number, stage in enumerate(self.stages, 1):
            chosen = stage.places.combination(encoded)
            found[0, number] = stage.macs[width, chosen]
            found[1, number] = stage.params[width, chosen]
            width = stage.after[width, chosen]
        found[:, -1] = self.tails[width].T
        return found[0].T, found[1].T

    def macs_range(self) -> tuple[int, int]:
        """Returns the fewest and the most MACs of any architecture, exactly."""
        low = high = self.tails[:, 0]
        for stage in reversed(self.stages):
            low = (stage.macs + low[stage.after]).min(axis=1)
            high = (stage.macs + high[stage.after]).max(axis=1)
        return int(low[0]) + self.fixed[0], int(high[0]) + self.fixed[0]
