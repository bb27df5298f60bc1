"""How many activations a network keeps: for its backward pass, and at once without one.

Elements for one image, read off the modules of `blocks.py`, none of which works in place: a
convolution's result, its normalised and its activated form are three tensors.
"""

from __future__ import annotations

from collections.abc import Iterable

from search_spaces.layers import (
    BlockLayers,
    ConvLayer,
    Layer,
    LinearLayer,
    PoolLayer,
    SqueezeExciteLayer,
)
from search_spaces.spec import BlockSpec

__all__ = [
    "BYTES_PER_VALUE",
    "WEIGHT_COPIES",
    "inference_bytes",
    "live_in_block",
    "live_in_layers",
    "saved_after_sum",
    "saved_by",
    "train_bytes",
]

BYTES_PER_VALUE = 4  # float32
WEIGHT_COPIES = 4  # weights, gradients, optimiser momentum, exponential moving average
ACTIVATIONS_THAT_SAVE_INPUT = ("silu", "hard_swish", "relu6")
INDEX_VALUES = 2  # max-pooling's int64 index for each value, in float32 values


def train_bytes(saved: int, params: int, batch: int) -> int:
    """Returns the bytes of training: what backward needs kept, and four copies of the weights."""
    return BYTES_PER_VALUE * (saved * batch + WEIGHT_COPIES * params)


def inference_bytes(live: int, params: int, batch: int) -> int:
    """Returns the bytes of inference: the weights, and the activations alive at the worst moment.

    BatchNorm's running statistics, under 1% of the weights, are left out.
    """
    return BYTES_PER_VALUE * (live * batch + params)


def saved_by(layer: Layer, side: int) -> int:
    """Counts the elements kept for a layer's backward, whose output has `side`×`side` pixels."""
    if isinstance(layer, ConvLayer):
        # What BatchNorm reads, what the next layer reads, and for activations whose derivative
        # needs it, what the activation reads.
        each = 3 if layer.act in ACTIVATIONS_THAT_SAVE_INPUT else 2
        # A padded copy is kept in its original's place, but not in place of ReLU's result, which
        # ReLU keeps itself.
        copied = _padded(layer, side) if layer.act == "relu" else 0
        return side * side * layer.out_ch * each + copied
    if isinstance(layer, SqueezeExciteLayer):
        return side * side * layer.ch + 3 * layer.squeeze_ch + 2 * layer.ch
    if isinstance(layer, LinearLayer):
        return layer.in_ch + (layer.out_ch if layer.act else 0)
    if layer.name == "stem_pool":  # the next layer's input, and the indices
        return (1 + INDEX_VALUES) * side * side * layer.out_ch
    return 0


def saved_after_sum(block: BlockSpec, layers: BlockLayers, side: int) -> int:
    """Counts what a block keeps besides its layers' own: its output has `side`×`side` pixels."""
    last = layers.path[-1]
    assert isinstance(last, ConvLayer)
    kept = 1 if layers.act in ACTIVATIONS_THAT_SAVE_INPUT else 0
    if block.has_residual and last.act == "relu":  # ReLU keeps its result, and the sum is another
        kept += 1
    if isinstance(layers.shortcut, ConvLayer):  # its result goes into the sum, which keeps nothing
        kept -= 1
    return kept * side * side * block.out_ch


def _padded(layer: ConvLayer | PoolLayer, after: int) -> int:
    """Counts the copy of the input that TensorFlow's padding makes."""
    if layer.padding == "symmetric" or layer.stride == 1:
        return 0
    side = (after - 1) * layer.stride + layer.kernel
    return side * side * layer.in_ch


def _made_by(layer: Layer, after: int) -> tuple[int, int]:
    """Counts what is alive beside a layer's input while it runs, and its output."""
    if isinstance(layer, ConvLayer):
        out = layer.out_ch * after * after
        return _padded(layer, after) + 2 * out, out
    if isinstance(layer, SqueezeExciteLayer):
        out = layer.ch * after * after
        return out + layer.ch, out
    if isinstance(layer, LinearLayer):
        return layer.out_ch * (2 if layer.act else 1), layer.out_ch
    out = layer.out_ch * after * after
    return _padded(layer, after) + (1 + INDEX_VALUES) * out, out


def _after(layer: Layer, side: int) -> int:
    return -(-side // layer.stride) if isinstance(layer, ConvLayer | PoolLayer) else side


def _walk(layers: Iterable[Layer], side: int) -> tuple[int, int]:
    """Counts the most elements alive beside the first layer's input, and the last output."""
    most = out = 0
    for layer in layers:
        after = _after(layer, side)
        beside, made = _made_by(layer, after)
        most, out, side = max(most, out + beside), made, after
    return most, out


def live_in_layers(layers: Iterable[Layer], side: int, in_ch: int) -> int:
    """Counts the most elements alive at once in layers that run one after the other.

    Their input of `in_ch` channels and `side`×`side` pixels, which the caller holds, is among them.
    """
    return in_ch * side * side + _walk(layers, side)[0]


def live_in_block(layers: BlockLayers, side: int, in_ch: int) -> int:
    """Counts the most elements alive at once in a block, its input included.

    The input is held to the end: for the shortcut, and by who calls. A shortcut's own layer runs
    when the path has ended, and the sum is a third tensor beside the two that are added.
    """
    most, out = _walk(layers.path, side)
    if isinstance(layers.shortcut, ConvLayer):
        most = max(most, 3 * out)
    elif layers.shortcut is not None:
        pooled = in_ch * _after(layers.shortcut, side) ** 2
        most = max(most, out + max(pooled + out, 2 * out))
    return in_ch * side * side + most
