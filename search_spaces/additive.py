"""Costs that add up over a network's stages, of encoded architectures, thousands at once.

As with MACs (`tables.py`), a stage's share depends on the others only through its input width: a
table a stage holds the share of every combination of its choices at every width that reaches it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from search_spaces.chains import Chains
from search_spaces.cost import cost, stage_cost, tail_cost, tail_saved
from search_spaces.errors import InputError
from search_spaces.latency import BlockTable, piece_keys, stage_keys, tail_key
from search_spaces.memory import train_bytes
from search_spaces.places import Places
from search_spaces.space import SearchSpace
from search_spaces.spec import StageSpec

__all__ = ["Additive", "latency_sums", "params_sums", "train_memory_sums"]

Array = np.ndarray
StageShare = Callable[[StageSpec, int, int], float]
TailShare = Callable[[int, int], float]


@dataclass(frozen=True, slots=True)
class _Stage:
    """Holds one stage's shares (input widths, combinations), and its output's width by index."""

    places: Places
    shares: Array
    after: Array


class Additive:
    """Adds up one cost of the networks of a space.

    `stage` gives the share of a stage at an input of (in_ch, side, side), `tail` that of what
    follows a last stage of (in_ch, side, side), `fixed` that of the stem.
    """

    def __init__(
        self, space: SearchSpace, *, stage: StageShare, tail: TailShare, fixed: float
    ) -> None:
        self.fixed = fixed
        self.stages: list[_Stage] = []
        side = cost(space.skeleton).stages[0].side
        widths: list[int] = []
        for base, table, stages in zip(
            space.skeleton.stages, space.tables.stages, space.combinations, strict=True
        ):
            distinct = dict.fromkeys(stages)
            known = {
                (one, in_ch): 0.0 if one is None else stage(one, in_ch, side)
                for one in distinct
                for in_ch in table.widths
            }
            shares = np.array([[known[one, in_ch] for one in stages] for in_ch in table.widths])
            self.stages.append(_Stage(table.places, shares, table.after))
            side = -(-side // base.stride)
            widths = sorted(
                {in_ch if one is None else one.out_ch for one in distinct for in_ch in table.widths}
            )
        self.tails = np.array([tail(in_ch, side) for in_ch in widths])

    def count(self, encoded: Array) -> Array:
        """Returns the cost (N,) of architectures encoded as (N, choices)."""
        width = np.zeros(len(encoded), dtype=np.int64)
        total = np.full(len(encoded), self.fixed)
        for stage in self.stages:
            chosen = stage.places.combination(encoded)
            total = total + stage.shares[width, chosen]
            width = stage.after[width, chosen]
        return np.asarray(total + self.tails[width])

    def reach(self) -> tuple[float, float]:
        """Returns the least and the most of any architecture, exactly."""
        low = high = self.tails
        for stage in reversed(self.stages):
            low = (stage.shares + low[stage.after]).min(axis=1)
            high = (stage.shares + high[stage.after]).max(axis=1)
        return float(low[0]) + self.fixed, float(high[0]) + self.fixed


def params_sums(space: SearchSpace) -> Additive:
    """Returns the sums of parameters."""
    shell = space.skeleton
    return Additive(
        space,
        stage=lambda one, in_ch, side: stage_cost("", shell.blocks_of(one, in_ch), side).params,
        tail=lambda in_ch, side: tail_cost(shell, in_ch, side)[1],
        fixed=cost(shell).stages[0].params,
    )


def train_memory_sums(space: SearchSpace, *, batch: int) -> Additive:
    """Returns the sums of training memory, in bytes, for `batch` images at once."""
    shell = space.skeleton

    def stage(one: StageSpec, in_ch: int, side: int) -> float:
        counted = stage_cost("", shell.blocks_of(one, in_ch), side, batch=batch)
        return counted.train_memory_bytes

    def tail(in_ch: int, side: int) -> float:
        _, params = tail_cost(shell, in_ch, side)
        return train_bytes(tail_saved(shell, in_ch, side), params, batch)

    fixed = cost(shell, batch=batch).stages[0].train_memory_bytes
    return Additive(space, stage=stage, tail=tail, fixed=fixed)


def latency_sums(space: SearchSpace, table: BlockTable) -> Additive:
    """Returns the sums of seconds that a table of blocks predicts.

    Raises `InputError` for a table that lacks a piece of the space.
    """
    lacking = sorted(Chains(space).keys - table.seconds.keys())
    if lacking:
        raise InputError(
            f"the table has no time for {lacking[0]!r} of space {space.name!r} at "
            f"{space.skeleton.resolution}×{space.skeleton.resolution} (it lacks {len(lacking):,} "
            "pieces); `nas bench blocks` measures the blocks of a space"
        )
    shell = space.skeleton
    shared = (shell.act, shell.se, shell.padding, shell.expand_divisor)

    def seconds(*keys: str) -> float:
        # A key that the chains do not hold is one of no network: a stem with a tail alone.
        return table.scale * sum(table.seconds.get(key, 0.0) for key in keys)

    def tail(in_ch: int, side: int) -> float:
        last = replace(shell.stages[-1], out_ch=in_ch)
        return seconds(tail_key(replace(shell, stages=(*shell.stages[:-1], last)), side))

    return Additive(
        space,
        stage=lambda one, in_ch, side: seconds(*stage_keys(one, in_ch, side, *shared)),
        tail=tail,
        fixed=seconds(piece_keys(shell)[0]) + table.offset,
    )
