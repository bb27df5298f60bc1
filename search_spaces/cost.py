"""What a network costs, from its spec alone: MACs, parameters, activations, training memory.

A MAC is one multiply-add, counted once; convolutions and linear layers are counted, as fvcore's
convolution and linear handlers do. Normalisation, activations, pooling and the squeeze-excite
multiplication are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from search_spaces.errors import InputError
from search_spaces.layers import (
    BlockLayers,
    ConvLayer,
    Layer,
    LinearLayer,
    PoolLayer,
    SqueezeExciteLayer,
    block_layers,
    classifier_layers,
    head_layers,
    stem_layers,
)
from search_spaces.spec import ArchSpec, BlockSpec

__all__ = ["Cost", "StageCost", "cost", "stage_cost", "tail_cost"]

BYTES_PER_VALUE = 4
WEIGHT_COPIES = 4  # weights, gradients, optimiser momentum, exponential moving average
ACTIVATIONS_THAT_SAVE_INPUT = ("silu", "hard_swish", "relu6")


@dataclass(frozen=True, slots=True)
class StageCost:
    """Counts one stage, for one image: MACs, parameters, elements computed and kept.

    `activations` are the outputs of convolutions and linear layers; `saved` the elements that the
    backward pass needs kept.
    """

    name: str
    out_ch: int
    side: int
    macs: int
    params: int
    activations: int
    saved: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts a network: `macs` and `activations` for one image, memory in bytes for a batch."""

    resolution: int
    batch: int
    macs: int
    params: int
    activations: int
    train_memory_bytes: int
    stages: tuple[StageCost, ...]


@dataclass(slots=True)
class _Tally:
    macs: int = 0
    params: int = 0
    activations: int = 0
    saved: int = 0


def _count_conv(tally: _Tally, layer: ConvLayer, side: int) -> int:
    side = -(-side // layer.stride)
    weights = layer.kernel**2 * (layer.in_ch // layer.groups) * layer.out_ch
    elements = side * side * layer.out_ch
    tally.macs += weights * side * side
    tally.params += weights + 2 * layer.out_ch
    tally.activations += elements
    # Kept for backward: what BatchNorm reads, what the next layer reads, and for activations
    # whose derivative needs it, what the activation reads.
    tally.saved += elements * (3 if layer.act in ACTIVATIONS_THAT_SAVE_INPUT else 2)
    return side


def _count_squeeze_excite(tally: _Tally, layer: SqueezeExciteLayer, side: int) -> int:
    tally.macs += 2 * layer.ch * layer.squeeze_ch
    tally.params += 2 * layer.ch * layer.squeeze_ch + layer.squeeze_ch + layer.ch
    tally.activations += layer.squeeze_ch + layer.ch
    tally.saved += side * side * layer.ch + 3 * layer.squeeze_ch + 2 * layer.ch
    return side


def _count_linear(tally: _Tally, layer: LinearLayer) -> None:
    tally.macs += layer.in_ch * layer.out_ch
    tally.params += layer.in_ch * layer.out_ch + (layer.out_ch if layer.bias else 0)
    tally.activations += layer.out_ch
    tally.saved += layer.in_ch + (layer.out_ch if layer.act else 0)


def _count_pool(tally: _Tally, layer: PoolLayer, side: int) -> int:
    side = -(-side // layer.stride)
    if layer.name == "stem_pool":  # kept: the next layer's input, and an int64 index for each
        tally.saved += 3 * side * side * layer.out_ch
    return side


def _count(tally: _Tally, layers: Iterable[Layer], side: int) -> int:
    for layer in layers:
        if isinstance(layer, ConvLayer):
            side = _count_conv(tally, layer, side)
        elif isinstance(layer, SqueezeExciteLayer):
            side = _count_squeeze_excite(tally, layer, side)
        elif isinstance(layer, PoolLayer):
            side = _count_pool(tally, layer, side)
        else:
            _count_linear(tally, layer)
    return side


def _count_block(tally: _Tally, block: BlockLayers, side: int) -> int:
    after = _count(tally, block.path, side)
    last = block.path[-1]
    assert isinstance(last, ConvLayer)
    if block.act in ACTIVATIONS_THAT_SAVE_INPUT:
        tally.saved += after * after * last.out_ch
    if block.shortcut is not None:
        _count(tally, [block.shortcut], side)
        # What a projection ends with goes into the sum, which keeps nothing.
        if isinstance(block.shortcut, ConvLayer):
            tally.saved -= after * after * last.out_ch
    return after


def _finished(tally: _Tally, name: str, out_ch: int, side: int) -> StageCost:
    return StageCost(name, out_ch, side, tally.macs, tally.params, tally.activations, tally.saved)


def _stage(name: str, out_ch: int, layers: Iterable[Layer], side: int) -> StageCost:
    tally = _Tally()
    side = _count(tally, layers, side)
    return _finished(tally, name, out_ch, side)


def stage_cost(name: str, blocks: Iterable[BlockSpec], side: int) -> StageCost:
    """Counts blocks whose input is `side`×`side` pixels."""
    tally, out_ch = _Tally(), 0
    for block in blocks:
        side = _count_block(tally, block_layers(block), side)
        out_ch = block.out_ch
    return _finished(tally, name, out_ch, side)


def tail_cost(spec: ArchSpec, in_ch: int, side: int) -> tuple[int, int]:
    """Counts MACs and params of head and classifier, were the last stage `in_ch` channels wide."""
    last = replace(spec.stages[-1], out_ch=in_ch)
    spec = replace(spec, stages=(*spec.stages[:-1], last))
    ends = [_stage("", 0, head_layers(spec), side), _stage("", 0, classifier_layers(spec), 1)]
    return sum(end.macs for end in ends), sum(end.params for end in ends)


def _stages(spec: ArchSpec, side: int) -> Iterator[StageCost]:
    last = _stage("stem", spec.stem_ch, stem_layers(spec), side)
    yield last
    for number, blocks in enumerate(spec.stage_blocks(), 1):
        last = stage_cost(f"stage{number}", blocks, last.side)
        yield last
    yield _stage("head", spec.feature_ch, head_layers(spec), last.side)
    yield _stage("classifier", spec.num_classes, classifier_layers(spec), 1)


def cost(spec: ArchSpec, *, resolution: int | None = None, batch: int = 1) -> Cost:
    """Counts a network without building it.

    `train_memory_bytes` is an estimate for float32 training of `batch` images: what backward needs
    kept, plus weights, gradients, momentum and averaged weights.
    Raises `InputError` for a resolution or batch below 1.
    """
    resolution = spec.resolution if resolution is None else resolution
    if resolution < 1 or batch < 1:
        raise InputError(f"resolution {resolution} and batch {batch} must both be at least 1")
    stages = tuple(_stages(spec, resolution))
    params = sum(stage.params for stage in stages)
    saved = sum(stage.saved for stage in stages) + spec.in_ch * resolution**2
    return Cost(
        resolution=resolution,
        batch=batch,
        macs=sum(stage.macs for stage in stages),
        params=params,
        activations=sum(stage.activations for stage in stages),
        train_memory_bytes=BYTES_PER_VALUE * (saved * batch + WEIGHT_COPIES * params),
        stages=stages,
    )
