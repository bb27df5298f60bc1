"""Blocks of which only widths are known, as the fewest and plainest stages that build them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from typing import Literal

from search_spaces.errors import InputError
from search_spaces.layers import ConvLayer, SqueezeExciteLayer, block_layers
from search_spaces.spec import (
    Activation,
    BlockActivation,
    BlockKind,
    BlockSpec,
    Skip,
    SqueezeSpec,
    StageSpec,
)

__all__ = ["DIVISOR", "BlockWidths", "grouped"]

DIVISOR = 8  # of expanded widths, in every network that this reads
OF: tuple[Literal["input", "expanded"], ...] = ("input", "expanded")
ROUNDINGS: tuple[Literal["down", "nearest", "divisible"], ...] = ("down", "nearest", "divisible")
EXPAND_STEPS = 100  # to the unit; an expansion of more digits is written as a width
SQUEEZE_STEPS = (100, 1_000)
USUAL_SQUEEZES = (0, 0.25, 0.5)  # the best first
REACH = 8  # channels that rounding may add or take away


@dataclass(frozen=True, slots=True)
class BlockWidths:
    """Holds what can be seen of a block: its layers' widths, not the ratios that made them.

    `expand_ch` is the width of the expanding convolution (0: there is none), `squeeze_ch` that of
    the squeeze-excite (0: none); `skip` tells whether the input is added to the output.
    """

    kind: BlockKind
    kernel: int
    stride: int
    in_ch: int
    out_ch: int
    act: BlockActivation
    skip: bool
    expand_ch: int = 0
    squeeze_ch: int = 0


@dataclass(frozen=True, slots=True)
class _Expansion:
    """Says an expansion in the way a stage does."""

    expand: float = 1
    expand_ch: int | None = None
    expand_always: bool = False


@dataclass(frozen=True, slots=True)
class _Run:
    """Holds `repeats` blocks that begin with `first`, and what one stage may say of them all."""

    first: BlockWidths
    repeats: int
    expansions: frozenset[_Expansion]
    squeezes: frozenset[float]
    skips: frozenset[Skip]

    def joined(self, later: _Run) -> _Run | None:
        """Returns both as one, or None where no stage says both."""
        first, block = self.first, later.first
        alike = (first.kind, first.kernel, first.act) == (block.kind, block.kernel, block.act)
        if not alike or block.stride != 1 or not first.out_ch == block.in_ch == block.out_ch:
            return None
        both = replace(
            self,
            repeats=self.repeats + later.repeats,
            expansions=self.expansions & later.expansions,
            squeezes=self.squeezes & later.squeezes,
            skips=self.skips & later.skips,
        )
        return both if both.expansions and both.squeezes and both.skips else None

    def stage(self, act: Activation) -> StageSpec:
        """Returns the plainest stage, in a network whose activation is `act`."""
        block = self.first
        expansion = min(self.expansions, key=self._plainness)
        usual: Skip = "none" if block.kind in ("conv", "dsconv") else "identity"
        return StageSpec(
            kind=block.kind,
            kernel=block.kernel,
            stride=block.stride,
            expand=expansion.expand,
            out_ch=block.out_ch,
            repeats=self.repeats,
            se_ratio=min(self.squeezes, key=_oddness),
            skip=usual if usual in self.skips else next(iter(self.skips)),
            act=None if block.act == act else block.act,
            expand_ch=expansion.expand_ch,
            expand_always=expansion.expand_always,
        )

    def _plainness(self, expansion: _Expansion) -> tuple[bool, int, float]:
        exact = self.first.expand_ch / self.first.in_ch
        far = abs(expansion.expand - exact)
        return expansion.expand_ch is not None, _digits(expansion.expand), far


def _digits(ratio: float) -> int:
    return len(f"{ratio:g}")


def _oddness(squeeze: float) -> tuple[int, int, float]:
    usual = USUAL_SQUEEZES.index(squeeze) if squeeze in USUAL_SQUEEZES else len(USUAL_SQUEEZES)
    return usual, _digits(squeeze), squeeze


def _ratios(
    wanted: int, base: int, steps: int, width: Callable[[float], int | None]
) -> Iterator[float]:
    """Yields every multiple of 1/`steps` that brings `base` channels to those wanted."""
    first = max(1, math.floor((wanted - REACH) * steps / base))
    for step in range(first, math.ceil((wanted + REACH) * steps / base) + 1):
        ratio = step // steps if step % steps == 0 else step / steps
        if width(ratio) == wanted:
            yield ratio


def _block(block: BlockWidths, se: SqueezeSpec) -> BlockSpec:
    return BlockSpec(
        kind=block.kind,
        kernel=block.kernel,
        stride=block.stride,
        in_ch=block.in_ch,
        out_ch=block.out_ch,
        act=block.act,
        expand_ch=block.expand_ch or None,
        expand_divisor=DIVISOR,
        se=se,
    )


@lru_cache(maxsize=1024)
def _expansions(block: BlockWidths) -> frozenset[_Expansion]:
    if not block.expand_ch:
        return frozenset([_Expansion()])
    like = replace(_block(block, SqueezeSpec()), expand_ch=None)

    def width(ratio: float) -> int | None:
        if not 1 <= ratio <= 64:
            return None
        layer = block_layers(replace(like, expand=ratio, expand_always=ratio == 1)).path[0]
        return layer.out_ch if isinstance(layer, ConvLayer) else None

    ratios = _ratios(block.expand_ch, block.in_ch, EXPAND_STEPS, width)
    found = {_Expansion(ratio, None, ratio == 1) for ratio in ratios}
    return frozenset(found | {_Expansion(expand_ch=block.expand_ch)})


@lru_cache(maxsize=4096)
def _squeezes(block: BlockWidths, se: SqueezeSpec) -> frozenset[float]:
    if not block.squeeze_ch:
        return frozenset([0])
    like = _block(block, se)

    def width(ratio: float) -> int | None:
        if ratio > 1:
            return None
        layers = block_layers(replace(like, se_ratio=ratio)).path
        return next(la.squeeze_ch for la in layers if isinstance(la, SqueezeExciteLayer))

    base = block.expand_ch if se.of == "expanded" and block.expand_ch else block.in_ch
    every = (frozenset(_ratios(block.squeeze_ch, base, n, width)) for n in SQUEEZE_STEPS)
    return next((found for found in every if found), frozenset())


def _skips(block: BlockWidths) -> frozenset[Skip]:
    if block.skip:
        return frozenset(["identity"])
    changes = block.stride != 1 or block.in_ch != block.out_ch
    return frozenset(["identity", "none"] if changes else ["none"])


def _runs(blocks: Iterable[BlockWidths], se: SqueezeSpec) -> Iterator[_Run]:
    """Yields the blocks in as few runs as can be, taking each as far as it goes."""
    run: _Run | None = None
    for block in blocks:
        alone = _Run(block, 1, _expansions(block), _squeezes(block, se), _skips(block))
        both = run.joined(alone) if run else None
        if run and not both:
            yield run
        run = both or alone
    if run:
        yield run


def _awkwardness(runs: Sequence[_Run]) -> tuple[int, int]:
    """Counts the stages, and those among them whose squeeze ratio is none of the usual."""
    return len(runs), sum(run.squeezes.isdisjoint(USUAL_SQUEEZES) for run in runs)


def grouped(
    stages: Sequence[Sequence[BlockWidths]], act: Activation, *, se: SqueezeSpec
) -> tuple[tuple[StageSpec, ...], SqueezeSpec]:
    """Returns stages that build these blocks where `expand_divisor` is 8, and their `SqueezeSpec`.

    No stage reaches over two of those given. `se` gives the gate and its activation; what its
    ratio multiplies and how that is rounded is chosen so that there are the fewest stages, and most
    of them with a usual ratio.
    Raises `InputError` where no ratio up to 1 gives a squeeze-excite its width.
    """
    rules = [replace(se, of=of, rounding=way) for of, way in product(OF, ROUNDINGS)]
    found = []
    for rule in rules:
        runs = [run for blocks in stages for run in _runs(blocks, rule)]
        if all(run.squeezes for run in runs):
            found.append((rule, runs))
    if not found:
        raise InputError("a squeeze-excite wider than its block cannot be expressed")
    best, runs = min(found, key=lambda pair: _awkwardness(pair[1]))
    return tuple(run.stage(act) for run in runs), best
