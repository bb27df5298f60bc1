"""What a network costs, from its spec alone: MACs, parameters, activations, memory.

A MAC is one multiply-add, counted once; convolutions and linear layers are counted, as fvcore's
convolution and linear handlers do. Normalisation, activations, pooling and the squeeze-excite
multiplication are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from search_spaces.errors import InputError
from search_spaces.layers import (
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
from search_spaces.memory import (
    inference_bytes,
    live_in_block,
    live_in_layers,
    saved_after_sum,
    saved_by,
    train_bytes,
)
from search_spaces.spec import ArchSpec, BlockSpec

__all__ = ["Cost", "StageCost", "cost", "stage_cost", "tail_cost", "tail_saved"]


@dataclass(frozen=True, slots=True)
class StageCost:
    """Counts one stage: for one image MACs, parameters and elements, for a batch bytes.

    `activations` are the outputs of convolutions and linear layers; `saved` the elements that the
    backward pass needs kept (the stem's include the image); `live` the most elements alive at once
    without a backward pass, the stage's input and the image included. `train_memory_bytes` add up
    to the network's; `inference_memory_bytes` are the stage's own weights and what is alive.
    """

    name: str
    out_ch: int
    side: int
    macs: int
    params: int
    activations: int
    saved: int
    live: int
    train_memory_bytes: int
    inference_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts a network: `macs` and `activations` for one image, memory in bytes for a batch.

    Both memories are float32's. `train_memory_bytes`: what backward needs kept, weights,
    gradients, momentum and averaged weights. `inference_memory_bytes`: all weights, and the most
    activations alive at once when layer after layer runs in eval mode without gradient.
    """

    resolution: int
    batch: int
    macs: int
    params: int
    activations: int
    train_memory_bytes: int
    inference_memory_bytes: int
    stages: tuple[StageCost, ...]


@dataclass(slots=True)
class _Tally:
    macs: int = 0
    params: int = 0
    activations: int = 0
    saved: int = 0
    live: int = 0

    def add(self, other: _Tally, held: int) -> None:
        """Adds what comes after, while `held` elements stay alive."""
        self.macs += other.macs
        self.params += other.params
        self.activations += other.activations
        self.saved += other.saved
        self.live = max(self.live, held + other.live)


def _count_conv(tally: _Tally, layer: ConvLayer, side: int) -> None:
    weights = layer.kernel**2 * (layer.in_ch // layer.groups) * layer.out_ch
    tally.macs += weights * side * side
    tally.params += weights + 2 * layer.out_ch
    tally.activations += side * side * layer.out_ch


def _count_squeeze_excite(tally: _Tally, layer: SqueezeExciteLayer) -> None:
    tally.macs += 2 * layer.ch * layer.squeeze_ch
    tally.params += 2 * layer.ch * layer.squeeze_ch + layer.squeeze_ch + layer.ch
    tally.activations += layer.squeeze_ch + layer.ch


def _count_linear(tally: _Tally, layer: LinearLayer) -> None:
    tally.macs += layer.in_ch * layer.out_ch
    tally.params += layer.in_ch * layer.out_ch + (layer.out_ch if layer.bias else 0)
    tally.activations += layer.out_ch


def _count(tally: _Tally, layers: Iterable[Layer], side: int) -> int:
    for layer in layers:
        if isinstance(layer, ConvLayer):
            side = -(-side // layer.stride)
            _count_conv(tally, layer, side)
        elif isinstance(layer, SqueezeExciteLayer):
            _count_squeeze_excite(tally, layer)
        elif isinstance(layer, PoolLayer):
            side = -(-side // layer.stride)
        else:
            _count_linear(tally, layer)
        tally.saved += saved_by(layer, side)
    return side


def _counted_block(block: BlockSpec, side: int) -> tuple[_Tally, int]:
    layers = block_layers(block)
    tally = _Tally(live=live_in_block(layers, side, block.in_ch))
    after = _count(tally, layers.path, side)
    if layers.shortcut is not None:
        _count(tally, (layers.shortcut,), side)
    tally.saved += saved_after_sum(block, layers, after)
    return tally, after


def _finished(tally: _Tally, name: str, out_ch: int, side: int, batch: int) -> StageCost:
    return StageCost(
        name,
        out_ch,
        side,
        tally.macs,
        tally.params,
        tally.activations,
        tally.saved,
        tally.live,
        train_bytes(tally.saved, tally.params, batch),
        inference_bytes(tally.live, tally.params, batch),
    )


def stage_cost(
    name: str, blocks: Iterable[BlockSpec], side: int, *, batch: int = 1, held: int = 0
) -> StageCost:
    """Counts blocks whose input is `side`×`side` pixels.

    `held` are elements that stay alive while they run, their input aside.
    """
    whole, before, entry = _Tally(), None, held
    for block in blocks:
        if block is not before or block.stride != 1:  # a repeated block is counted once
            one, after = _counted_block(block, side)
        whole.add(one, held if before is None else entry)
        if before is None:
            entry += block.in_ch * side * side  # the caller holds the stage's input to its end
        before, side = block, after
    return _finished(whole, name, before.out_ch if before else 0, side, batch)


def _tail(spec: ArchSpec, in_ch: int, side: int) -> _Tally:
    last = replace(spec.stages[-1], out_ch=in_ch)
    spec = replace(spec, stages=(*spec.stages[:-1], last))
    tally = _Tally()
    _count(tally, head_layers(spec), side)
    _count(tally, classifier_layers(spec), 1)
    return tally


def tail_cost(spec: ArchSpec, in_ch: int, side: int) -> tuple[int, int]:
    """Counts MACs and params of head and classifier, were the last stage `in_ch` channels wide."""
    tally = _tail(spec, in_ch, side)
    return tally.macs, tally.params


def tail_saved(spec: ArchSpec, in_ch: int, side: int) -> int:
    """Counts the elements of one image that head and classifier keep for the backward pass."""
    return _tail(spec, in_ch, side).saved


def _stem(spec: ArchSpec, side: int, batch: int) -> StageCost:
    layers, image = stem_layers(spec), spec.in_ch * side * side
    tally = _Tally(saved=image, live=live_in_layers(layers, side, spec.in_ch))
    side = _count(tally, layers, side)
    return _finished(tally, "stem", spec.stem_ch, side, batch)


def _ends(spec: ArchSpec, side: int, batch: int, image: int) -> Iterator[StageCost]:
    """Yields head and classifier; what the last stage made is alive in both."""
    in_ch = spec.stages[-1].out_ch
    layers = head_layers(spec)
    tally = _Tally(live=image + live_in_layers(layers, side, in_ch))
    _count(tally, layers, side)
    yield _finished(tally, "head", spec.feature_ch, side, batch)
    linear = classifier_layers(spec)
    held = image + in_ch * side * side
    tally = _Tally(live=held + live_in_layers(linear, 1, spec.feature_ch))
    _count(tally, linear, 1)
    yield _finished(tally, "classifier", spec.num_classes, 1, batch)


def _stages(spec: ArchSpec, side: int, batch: int) -> Iterator[StageCost]:
    image = spec.in_ch * side * side
    last = _stem(spec, side, batch)
    yield last
    for number, blocks in enumerate(spec.stage_blocks(), 1):
        last = stage_cost(f"stage{number}", blocks, last.side, batch=batch, held=image)
        yield last
    yield from _ends(spec, last.side, batch, image)


def cost(spec: ArchSpec, *, resolution: int | None = None, batch: int = 1) -> Cost:
    """Counts a network without building it; memory for float32 and `batch` images at once.

    Raises `InputError` for a resolution or batch below 1.
    """
    resolution = spec.resolution if resolution is None else resolution
    if resolution < 1 or batch < 1:
        raise InputError(f"resolution {resolution} and batch {batch} must both be at least 1")
    stages = tuple(_stages(spec, resolution, batch))
    params = sum(stage.params for stage in stages)
    return Cost(
        resolution=resolution,
        batch=batch,
        macs=sum(stage.macs for stage in stages),
        params=params,
        activations=sum(stage.activations for stage in stages),
        train_memory_bytes=train_bytes(sum(stage.saved for stage in stages), params, batch),
        inference_memory_bytes=inference_bytes(max(s.live for s in stages), params, batch),
        stages=stages,
    )
