"""The modules, made from the layers that a block's spec yields."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from search_spaces.layers import ConvLayer, PoolLayer, SqueezeExciteLayer, block_layers
from search_spaces.spec import Activation, BlockSpec, Gate

__all__ = [
    "ACTIVATIONS",
    "Block",
    "ConvNormAct",
    "MaxPool",
    "PooledShortcut",
    "SqueezeExcite",
    "drop_path",
]

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hard_swish": nn.Hardswish,
    "silu": nn.SiLU,
}
GATES: dict[Gate, Callable[[], nn.Module]] = {
    "sigmoid": nn.Sigmoid,
    "hard_sigmoid": nn.Hardsigmoid,
}


def drop_path(x: Tensor, rate: float) -> Tensor:
    """Zeroes whole samples of `x` (N, …) at `rate` and divides the others by 1 − rate."""
    keep = 1.0 - rate
    mask = torch.rand(x.shape[0], *(1,) * (x.ndim - 1), device=x.device, dtype=x.dtype) < keep
    return x * (mask / keep)


class _GlobalMean(torch.autograd.Function):
    """Averages the pixels; its gradient is a view, which adds up without being written out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.shape = x.shape
        return x.mean((2, 3), keepdim=True)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        pixels = ctx.shape[2] * ctx.shape[3]
        grad: Tensor = (grads[0] / pixels).expand(ctx.shape)
        return grad


def global_mean(x: Tensor, *, training: bool) -> Tensor:
    """Averages the pixels of (N, C, H, W) to (N, C, 1, 1)."""
    if not training:
        return x.mean((2, 3), keepdim=True)
    mean: Tensor = _GlobalMean.apply(x)  # type: ignore[no-untyped-call]
    return mean


def _pad_same(x: Tensor, kernel: int, stride: int, value: float = 0.0) -> Tensor:
    """Pads (N, C, H, W) as TensorFlow's SAME does: an odd pixel goes to the bottom and right."""
    height, width = (
        max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:]
    )
    sides = (width // 2, width - width // 2, height // 2, height - height // 2)
    return F.pad(x, sides, value=value)


class ConvNormAct(nn.Module):
    """Applies convolution, BatchNorm and activation to (N, C, H, W), padded as the layer says."""

    def __init__(self, layer: ConvLayer, *, eps: float, momentum: float) -> None:
        super().__init__()
        self.pads_same = layer.padding == "same"
        self.conv = nn.Conv2d(
            layer.in_ch,
            layer.out_ch,
            layer.kernel,
            layer.stride,
            padding=0 if self.pads_same else layer.kernel // 2,
            groups=layer.groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(layer.out_ch, eps=eps, momentum=momentum)
        self.act_name = layer.act
        self.act = ACTIVATIONS[layer.act]() if layer.act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, in_ch, H, W) to (N, out_ch, ⌈H/stride⌉, ⌈W/stride⌉)."""
        if self.pads_same:
            x = _pad_same(x, self.conv.kernel_size[0], self.conv.stride[0])
        return self.normalise(self.convolve(x))

    def convolve(self, x: Tensor) -> Tensor:
        """Applies the convolution alone, to an input that is padded."""
        out: Tensor = self.conv(x)
        return out

    def normalise(self, x: Tensor) -> Tensor:
        """Applies BatchNorm and activation to the convolution's output."""
        x = self.norm(x)  # the convolution's output goes before the activation makes its own
        out: Tensor = self.act(x)
        return out


class SqueezeExcite(nn.Module):
    """Scales each channel of (N, C, H, W) by a gate computed from the pooled channels."""

    def __init__(self, layer: SqueezeExciteLayer) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(layer.ch, layer.squeeze_ch, 1)
        self.act = ACTIVATIONS[layer.act]()
        self.expand = nn.Conv2d(layer.squeeze_ch, layer.ch, 1)
        self.gate = GATES[layer.gate]()

    def forward(self, x: Tensor) -> Tensor:
        """Returns `x` gated, in the same shape."""
        gate: Tensor = self.gate(
            self.expand(self.act(self.reduce(global_mean(x, training=self.training))))
        )
        return self.apply_gate(x, gate)

    def apply_gate(self, x: Tensor, gate: Tensor) -> Tensor:
        """Multiplies (N, C, H, W) by a gate (N, C, 1, 1)."""
        return x * gate


class MaxPool(nn.Module):
    """Takes the maximum over windows of (N, C, H, W), padded as the layer says."""

    def __init__(self, layer: PoolLayer) -> None:
        super().__init__()
        self.kernel, self.stride = layer.kernel, layer.stride
        self.pads_same = layer.padding == "same"

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, C, H, W) to (N, C, ⌈H/stride⌉, ⌈W/stride⌉)."""
        if self.pads_same:
            x = _pad_same(x, self.kernel, self.stride, value=-torch.inf)
        padding = 0 if self.pads_same else self.kernel // 2
        return F.max_pool2d(x, self.kernel, self.stride, padding)


class PooledShortcut(nn.Module):
    """Averages stride×stride pixels of (N, C, H, W), and brings the channels to `out_ch`.

    Channels that are missing are zeros; channels too many are the last ones and left out.
    """

    def __init__(self, layer: PoolLayer) -> None:
        super().__init__()
        self.stride, self.extra = layer.stride, layer.out_ch - layer.in_ch

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, in_ch, H, W) to (N, out_ch, ⌈H/stride⌉, ⌈W/stride⌉)."""
        if self.stride > 1:  # a window over the edge averages the pixels that there are
            x = F.avg_pool2d(x, self.stride, ceil_mode=True, count_include_pad=False)
        return F.pad(x, (0, 0, 0, 0, 0, self.extra)) if self.extra else x


class Block(nn.Module):
    """Runs the layers of any block kind, and adds the input where the spec has a residual."""

    def __init__(
        self, block: BlockSpec, *, eps: float, momentum: float, drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        layers = block_layers(block)
        self.has_residual = block.has_residual
        self.drop_rate = drop_rate
        self.path = nn.Sequential()
        for layer in layers.path:
            module = (
                ConvNormAct(layer, eps=eps, momentum=momentum)
                if isinstance(layer, ConvLayer)
                else SqueezeExcite(layer)
            )
            self.path.add_module(layer.name, module)
        self.shortcut: nn.Module = nn.Identity()
        if isinstance(layers.shortcut, ConvLayer):
            self.shortcut = ConvNormAct(layers.shortcut, eps=eps, momentum=momentum)
        elif layers.shortcut is not None:
            self.shortcut = PooledShortcut(layers.shortcut)
        self.act = ACTIVATIONS[layers.act]() if layers.act else nn.Identity()

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """Returns the BatchNorm that ends the path: every block ends with a convolution."""
        last = self.path[-1]
        assert isinstance(last, ConvNormAct)
        return last.norm

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, in_ch, H, W) to (N, out_ch, ⌈H/stride⌉, ⌈W/stride⌉)."""
        out: Tensor = self.path(x)
        if self.has_residual:
            if self.training and self.drop_rate:
                out = drop_path(out, self.drop_rate)
            out = self.shortcut(x) + out
        activated: Tensor = self.act(out)
        return activated
