"""The one derivation of shapes: a block's layers, from which modules are built and costs summed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from search_spaces.spec import Activation, ArchSpec, BlockSpec

__all__ = [
    "ConvLayer",
    "Layer",
    "LinearLayer",
    "SqueezeExciteLayer",
    "block_layers",
    "classifier_layer",
    "head_layer",
    "stem_layer",
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


@dataclass(frozen=True, slots=True)
class SqueezeExciteLayer:
    """Describes a channel gate: pool, `ch`→`squeeze_ch`→`ch` with biases, sigmoid, multiply."""

    name: str
    ch: int
    squeeze_ch: int
    act: Activation


@dataclass(frozen=True, slots=True)
class LinearLayer:
    """Describes the classifier, with bias."""

    name: str
    in_ch: int
    out_ch: int


Layer = ConvLayer | SqueezeExciteLayer | LinearLayer


@lru_cache(maxsize=65_536)
def block_layers(block: BlockSpec) -> tuple[ConvLayer | SqueezeExciteLayer, ...]:
    """Returns the layers of a block's main path, in order.

    MBConv: [1×1 expand] → depthwise → [squeeze-excite] → 1×1 project (linear).
    Fused-MBConv: k×k expand → [squeeze-excite] → 1×1 project (linear); with expansion 1 it is
    [squeeze-excite] → one k×k convolution with activation (google/automl `effnetv2_model.py`).
    """
    return _mbconv(block) if block.kind == "mbconv" else _fused(block)


def _expanded(block: BlockSpec) -> int:
    return round(block.in_ch * block.expand)


def _squeeze_excite(block: BlockSpec, ch: int) -> tuple[SqueezeExciteLayer, ...]:
    if not block.se_ratio:
        return ()
    squeeze_ch = max(1, int(block.in_ch * block.se_ratio))
    return (SqueezeExciteLayer("squeeze_excite", ch, squeeze_ch, block.act),)


def _mbconv(block: BlockSpec) -> tuple[ConvLayer | SqueezeExciteLayer, ...]:
    hidden = _expanded(block)
    expand = (ConvLayer("expand", block.in_ch, hidden, act=block.act),)
    depthwise = ConvLayer(
        "depthwise", hidden, hidden, block.kernel, block.stride, groups=hidden, act=block.act
    )
    project = ConvLayer("project", hidden, block.out_ch)
    squeeze_excite = _squeeze_excite(block, hidden)
    return (*(expand if block.expand != 1 else ()), depthwise, *squeeze_excite, project)


def _fused(block: BlockSpec) -> tuple[ConvLayer | SqueezeExciteLayer, ...]:
    hidden = _expanded(block)
    squeeze_excite = _squeeze_excite(block, hidden)
    if block.expand == 1:
        return (
            *squeeze_excite,
            ConvLayer("project", hidden, block.out_ch, block.kernel, block.stride, act=block.act),
        )
    expand = ConvLayer("expand", block.in_ch, hidden, block.kernel, block.stride, act=block.act)
    return (expand, *squeeze_excite, ConvLayer("project", hidden, block.out_ch))


def stem_layer(spec: ArchSpec) -> ConvLayer:
    """Returns the first convolution."""
    return ConvLayer(
        "stem", spec.in_ch, spec.stem_ch, spec.stem_kernel, spec.stem_stride, act=spec.act
    )


def head_layer(spec: ArchSpec) -> ConvLayer:
    """Returns the 1×1 convolution before pooling."""
    return ConvLayer("head", spec.stages[-1].out_ch, spec.head_ch, act=spec.act)


def classifier_layer(spec: ArchSpec) -> LinearLayer:
    """Returns the linear layer after pooling."""
    return LinearLayer("classifier", spec.head_ch, spec.num_classes)
