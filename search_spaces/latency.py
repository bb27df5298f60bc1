"""How long a network takes, from a table of its pieces: stem, blocks and tail, each timed once.

A piece is known by its layers and the side of its input, so that blocks which are the same to a
machine are measured once, whatever spec they come from. Pieces are timed inside running networks,
and a network takes what its pieces take: scale · (sum of its pieces) + offset.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from search_spaces.errors import InputError
from search_spaces.layers import (
    ConvLayer,
    Layer,
    LinearLayer,
    PoolLayer,
    block_layers,
    classifier_layers,
    head_layers,
    stem_layers,
)
from search_spaces.spec import Activation, ArchSpec, BlockSpec, Padding, SqueezeSpec, StageSpec

__all__ = ["BlockTable", "calibrate", "piece_keys", "stage_keys", "tail_key"]

MISFIT = 0.05  # relative error beyond which a calibrating network counts less than its square


def _layer_text(layer: Layer) -> str:
    if isinstance(layer, ConvLayer):
        padding = "" if layer.padding == "symmetric" else f" {layer.padding}"
        groups = "" if layer.groups == 1 else f" g{layer.groups}"
        stride = "" if layer.stride == 1 else f" s{layer.stride}"
        act = layer.act or "linear"
        return f"{layer.in_ch}>{layer.out_ch} k{layer.kernel}{stride}{groups} {act}{padding}"
    if isinstance(layer, LinearLayer):
        return f"linear {layer.in_ch}>{layer.out_ch} {layer.act or 'linear'}"
    if isinstance(layer, PoolLayer):
        kind = "max" if layer.name == "stem_pool" else "mean"
        size = f"k{layer.kernel} s{layer.stride} {layer.padding}"
        return f"{kind} {layer.in_ch}>{layer.out_ch} {size}"
    return f"se {layer.ch}>{layer.squeeze_ch} {layer.act} {layer.gate}"


def _text(layers: Iterable[Layer], side: int) -> str:
    return f"{side}px: " + ", ".join(map(_layer_text, layers))


def _block_key(block: BlockSpec, side: int) -> str:
    layers = block_layers(block)
    text = _text(layers.path, side)
    if block.has_residual:
        text += " + " + (_layer_text(layers.shortcut) if layers.shortcut else "input")
    return f"{text}, {layers.act}" if layers.act else text


@lru_cache(maxsize=65_536)
def stage_keys(
    stage: StageSpec,
    in_ch: int,
    side: int,
    act: Activation,
    se: SqueezeSpec,
    padding: Padding,
    expand_divisor: int,
) -> tuple[str, ...]:
    """Names the blocks of a stage whose input is (in_ch, side, side)."""
    blocks = stage.blocks(in_ch, act, se=se, padding=padding, expand_divisor=expand_divisor)
    first, *later = blocks
    after = -(-side // stage.stride)
    keys = [_block_key(first, side)]
    return (*keys, *([_block_key(later[0], after)] * len(later) if later else ()))


@lru_cache(maxsize=1024)
def _stem_key(layers: tuple[Layer, ...], side: int) -> str:
    return "stem " + _text(layers, side)


@lru_cache(maxsize=4096)
def _tail_text(head: tuple[Layer, ...], classifier: tuple[Layer, ...], side: int) -> str:
    return "tail " + _text((*head, *classifier), side)


def tail_key(spec: ArchSpec, side: int) -> str:
    """Names what follows the last stage, whose output is `side`×`side` pixels."""
    return _tail_text(head_layers(spec), classifier_layers(spec), side)


def piece_keys(spec: ArchSpec) -> tuple[str, ...]:
    """Names a network's pieces in order: stem, each block, tail (head, pooling, classifier)."""
    stem = stem_layers(spec)
    keys, side, in_ch = [_stem_key(stem, spec.resolution)], spec.resolution, spec.stem_ch
    for layer in stem:
        side = -(-side // layer.stride)
    shared = (spec.act, spec.se, spec.padding, spec.expand_divisor)
    for stage in spec.stages:
        keys += stage_keys(stage, in_ch, side, *shared)
        side, in_ch = -(-side // stage.stride), stage.out_ch
    return (*keys, tail_key(spec, side))


@dataclass(frozen=True)
class BlockTable:
    """Holds seconds by piece, and what turns their sum into a network's seconds."""

    seconds: Mapping[str, float]
    scale: float = 1.0
    offset: float = 0.0

    def total(self, spec: ArchSpec) -> float:
        """Adds up a network's pieces, in seconds; raises `InputError` if one was not measured."""
        try:
            return sum(map(self.seconds.__getitem__, piece_keys(spec)))
        except KeyError as error:
            raise InputError(
                f"{spec.name}: the table has no time for {error.args[0]!r}; "
                "`nas bench blocks` measures the blocks of a space, at one resolution"
            ) from None

    def predict(self, spec: ArchSpec) -> float:
        """Predicts a network's seconds; raises `InputError` for a piece that was not measured."""
        return self.scale * self.total(spec) + self.offset

    def missing(self, spec: ArchSpec) -> tuple[str, ...]:
        """Lists the pieces of a network that were not measured."""
        return tuple(key for key in dict.fromkeys(piece_keys(spec)) if key not in self.seconds)


def calibrate(table: BlockTable, specs: Sequence[ArchSpec], seconds: Sequence[float]) -> BlockTable:
    """Returns the table with the scale and offset that fit whole networks' measured seconds.

    Both are at least 0, and least squares of relative errors, robust against a network or two
    that something disturbed (soft L1 beyond 5%).
    """
    from scipy.optimize import least_squares  # noqa: PLC0415 (slow to import; predicting needs none)

    sums = np.array([table.total(spec) for spec in specs])
    measured = np.array(seconds)

    def errors(fit: np.ndarray) -> np.ndarray:
        return np.asarray((fit[0] * sums + fit[1] * sums.mean()) / measured - 1)

    start = np.array([1.0, 0.01])
    fit = least_squares(errors, start, bounds=(0, np.inf), loss="soft_l1", f_scale=MISFIT).x
    return replace(table, scale=float(fit[0]), offset=float(fit[1] * sums.mean()))
