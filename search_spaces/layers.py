"""The one derivation of shapes: a block's layers, from which modules are built and costs summed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from search_spaces.resize import Rounding, round_filters
from search_spaces.spec import Activation, ArchSpec, BlockSpec, Gate, Padding

__all__ = [
    "BlockLayers",
    "ConvLayer",
    "Layer",
    "LinearLayer",
    "PoolLayer",
    "SqueezeExciteLayer",
    "block_layers",
    "classifier_layers",
    "head_layers",
    "stem_layers",
]


@dataclass(frozen=True, slots=True)
class ConvLayer:
    """Describes a convolution without bias, its BatchNorm and its activation (None: linear)."""

    name: str
    in_ch: int
    out_ch: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    act: Activation | None = None
    padding: Padding = "symmetric"


@dataclass(frozen=True, slots=True)
class SqueezeExciteLayer:
    """Describes a channel gate: pool, `ch`→`squeeze_ch`→`ch` with biases, gate, multiply."""

    name: str
    ch: int
    squeeze_ch: int
    act: Activation
    gate: Gate = "sigmoid"


@dataclass(frozen=True, slots=True)
class PoolLayer:
    """Describes a pooling by windows: the stem's maximum, or a shortcut's average.

    A shortcut's pooling also brings `in_ch` channels to `out_ch`, with zeros or by leaving out.
    """

    name: str
    in_ch: int
    out_ch: int
    kernel: int
    stride: int
    padding: Padding = "symmetric"


@dataclass(frozen=True, slots=True)
class LinearLayer:
    """Describes a linear layer, with or without bias, and its activation (None: linear)."""

    name: str
    in_ch: int
    out_ch: int
    act: Activation | None = None
    bias: bool = True


Layer = ConvLayer | SqueezeExciteLayer | PoolLayer | LinearLayer
PathLayers = tuple[ConvLayer | SqueezeExciteLayer, ...]


@dataclass(frozen=True, slots=True)
class BlockLayers:
    """Holds a block: `act(path(x) + shortcut(x))`.

    `shortcut` is the layer on it (None: there is none, or it is the identity); `act` stands after
    the addition (None: nothing does).
    """

    path: PathLayers
    shortcut: ConvLayer | PoolLayer | None = None
    act: Activation | None = None


@lru_cache(maxsize=65_536)
def block_layers(block: BlockSpec) -> BlockLayers:
    """Returns the layers of a block, those of its main path in order.

    - `conv`: k×k convolution with activation.
    - `dsconv`: depthwise → [squeeze-excite] → 1×1 with activation (MobileNetV1).
    - `mbconv`: 1×1 expand → depthwise → [squeeze-excite] → 1×1 project (linear); with expansion 1,
      unless it expands always, without the first.
    - `fused`: k×k expand → [squeeze-excite] → 1×1 project (linear); with expansion 1, unless it
      expands always, it is [squeeze-excite] → one k×k convolution with activation (google/automl
      `effnetv2_model.py`).
    - `basic`: k×k → k×k (linear); `bottleneck`: 1×1 → k×k → 1×1 (linear), the stride in the k×k;
      both with their last activation after the addition (ResNet, arXiv:1512.03385).
    """
    path = _PATHS[block.kind](block)
    after = _act(block) if block.kind in ("basic", "bottleneck") else None
    return BlockLayers(path, _shortcut(block), after)


def _shortcut(block: BlockSpec) -> ConvLayer | PoolLayer | None:
    if block.shortcut == "projection":
        return ConvLayer("shortcut", block.in_ch, block.out_ch, stride=block.stride)
    if block.shortcut == "pooled":
        return PoolLayer("shortcut", block.in_ch, block.out_ch, block.stride, block.stride)
    return None


def _act(block: BlockSpec) -> Activation | None:
    return None if block.act == "linear" else block.act


def _padding(block: BlockSpec) -> Padding:
    """Returns the padding of the block's k×k convolution: at stride 1 the two kinds are one."""
    return "symmetric" if block.stride == 1 else block.padding


def _expanded(block: BlockSpec) -> int:
    if block.expand_ch is not None:
        return block.expand_ch
    exact = (block.out_ch if block.kind == "bottleneck" else block.in_ch) * block.expand
    if block.expand_divisor == 1:
        return max(1, round(exact))
    return round_filters(exact, Rounding(divisor=block.expand_divisor))


def _expands(block: BlockSpec) -> bool:
    return block.expand_always or block.expand != 1 or block.expand_ch is not None


def _squeeze_excite(block: BlockSpec, ch: int) -> tuple[SqueezeExciteLayer, ...]:
    if not block.se_ratio:
        return ()
    exact = (block.in_ch if block.se.of == "input" else ch) * block.se_ratio
    if block.se.rounding == "divisible":
        squeeze_ch = round_filters(exact)
    else:
        squeeze_ch = max(1, int(exact) if block.se.rounding == "down" else round(exact))
    act = block.se.act or _act(block)
    assert act is not None, "only a conv is linear, and it has no gate"
    return (SqueezeExciteLayer("squeeze_excite", ch, squeeze_ch, act, block.se.gate),)


def _spatial(block: BlockSpec, name: str, out_ch: int, act: Activation | None) -> ConvLayer:
    """Returns a k×k convolution of the block's input with the block's stride."""
    return ConvLayer(
        name, block.in_ch, out_ch, block.kernel, block.stride, act=act, padding=_padding(block)
    )


def _depthwise(block: BlockSpec, ch: int) -> ConvLayer:
    return ConvLayer(
        "depthwise",
        ch,
        ch,
        block.kernel,
        block.stride,
        groups=ch,
        act=_act(block),
        padding=_padding(block),
    )


def _conv(block: BlockSpec) -> PathLayers:
    return (_spatial(block, "project", block.out_ch, _act(block)),)


def _dsconv(block: BlockSpec) -> PathLayers:
    pointwise = ConvLayer("project", block.in_ch, block.out_ch, act=_act(block))
    return (_depthwise(block, block.in_ch), *_squeeze_excite(block, block.in_ch), pointwise)


def _mbconv(block: BlockSpec) -> PathLayers:
    hidden = _expanded(block) if _expands(block) else block.in_ch
    expand = (ConvLayer("expand", block.in_ch, hidden, act=_act(block)),)
    return (
        *(expand if _expands(block) else ()),
        _depthwise(block, hidden),
        *_squeeze_excite(block, hidden),
        ConvLayer("project", hidden, block.out_ch),
    )


def _fused(block: BlockSpec) -> PathLayers:
    if not _expands(block):
        return (*_squeeze_excite(block, block.in_ch), *_conv(block))
    hidden = _expanded(block)
    expand = _spatial(block, "expand", hidden, _act(block))
    return (expand, *_squeeze_excite(block, hidden), ConvLayer("project", hidden, block.out_ch))


def _basic(block: BlockSpec) -> PathLayers:
    first = _spatial(block, "expand", block.out_ch, _act(block))
    return (first, ConvLayer("project", block.out_ch, block.out_ch, block.kernel))


def _bottleneck(block: BlockSpec) -> PathLayers:
    hidden = _expanded(block)
    reduce = ConvLayer("reduce", block.in_ch, hidden, act=_act(block))
    spatial = ConvLayer(
        "spatial",
        hidden,
        hidden,
        block.kernel,
        block.stride,
        act=_act(block),
        padding=_padding(block),
    )
    return (reduce, spatial, ConvLayer("project", hidden, block.out_ch))


_PATHS = {
    "conv": _conv,
    "dsconv": _dsconv,
    "mbconv": _mbconv,
    "fused": _fused,
    "basic": _basic,
    "bottleneck": _bottleneck,
}


def stem_layers(spec: ArchSpec) -> tuple[ConvLayer | PoolLayer, ...]:
    """Returns the first convolution, and ResNet's pooling where the spec has it."""
    padding: Padding = "symmetric" if spec.stem_stride == 1 else spec.padding
    conv = ConvLayer(
        "stem",
        spec.in_ch,
        spec.stem_ch,
        spec.stem_kernel,
        spec.stem_stride,
        act=spec.act,
        padding=padding,
    )
    pool = PoolLayer("stem_pool", spec.stem_ch, spec.stem_ch, 3, 2, spec.padding)
    return (conv, pool) if spec.stem_pool else (conv,)


def head_layers(spec: ArchSpec) -> tuple[ConvLayer, ...]:
    """Returns the 1×1 convolution before pooling, where there is one."""
    if spec.head == "none":
        return ()
    return (ConvLayer("head", spec.stages[-1].out_ch, spec.head_ch, act=spec.act),)


def classifier_layers(spec: ArchSpec) -> tuple[LinearLayer, ...]:
    """Returns the linear layers after pooling: the hidden one if there is one, the classifier."""
    if not spec.hidden_ch:
        return (LinearLayer("classifier", spec.feature_ch, spec.num_classes),)
    hidden = LinearLayer("hidden", spec.feature_ch, spec.hidden_ch, spec.act, spec.hidden_bias)
    return (hidden, LinearLayer("classifier", spec.hidden_ch, spec.num_classes))
