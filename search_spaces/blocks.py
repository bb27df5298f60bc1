"""The modules, made from the layers that a block's spec yields."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from search_spaces.layers import ConvLayer, SqueezeExciteLayer, block_layers
from search_spaces.spec import Activation, BlockSpec

__all__ = ["Block", "ConvNormAct", "SqueezeExcite", "drop_path"]

ACTIVATIONS: dict[Activation, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "hard_swish": nn.Hardswish,
    "silu": nn.SiLU,
}


def drop_path(x: Tensor, rate: float) -> Tensor:
    """Zeroes whole samples of `x` (N, …) at `rate` and divides the others by 1 − rate."""
    keep = 1.0 - rate
    mask = torch.rand(x.shape[0], *(1,) * (x.ndim - 1), device=x.device, dtype=x.dtype) < keep
    return x * mask / keep


class ConvNormAct(nn.Module):
    """Applies convolution, BatchNorm and activation to (N, C, H, W), padded symmetrically."""

    def __init__(self, layer: ConvLayer, *, eps: float, momentum: float) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            layer.in_ch,
            layer.out_ch,
            layer.kernel,
            layer.stride,
            padding=layer.kernel // 2,
            groups=layer.groups,
            bias=False,
        )
        self.norm = nn.BatchNorm2d(layer.out_ch, eps=eps, momentum=momentum)
        self.act = ACTIVATIONS[layer.act]() if layer.act else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, in_ch, H, W) to (N, out_ch, ⌈H/stride⌉, ⌈W/stride⌉)."""
        out: Tensor = self.act(self.norm(self.conv(x)))
        return out


class SqueezeExcite(nn.Module):
    """Scales each channel of (N, C, H, W) by a gate computed from the pooled channels."""

    def __init__(self, layer: SqueezeExciteLayer) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(layer.ch, layer.squeeze_ch, 1)
        self.act = ACTIVATIONS[layer.act]()
        self.expand = nn.Conv2d(layer.squeeze_ch, layer.ch, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Returns `x` gated, in the same shape."""
        gate = self.expand(self.act(self.reduce(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(gate)


class Block(nn.Module):
    """Runs the layers of any block kind, and adds the input where the spec has a residual."""

    def __init__(
        self, block: BlockSpec, *, eps: float, momentum: float, drop_rate: float = 0.0
    ) -> None:
        super().__init__()
        self.has_residual = block.has_residual
        self.drop_rate = drop_rate
        self.path = nn.Sequential()
        for layer in block_layers(block):
            module = (
                ConvNormAct(layer, eps=eps, momentum=momentum)
                if isinstance(layer, ConvLayer)
                else SqueezeExcite(layer)
            )
            self.path.add_module(layer.name, module)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        """Returns the BatchNorm that ends the path: every block ends with a convolution."""
        last = self.path[-1]
        assert isinstance(last, ConvNormAct)
        return last.norm

    def forward(self, x: Tensor) -> Tensor:
        """Maps (N, in_ch, H, W) to (N, out_ch, ⌈H/stride⌉, ⌈W/stride⌉)."""
        out: Tensor = self.path(x)
        if not self.has_residual:
            return out
        if self.training and self.drop_rate:
            out = drop_path(out, self.drop_rate)
        return x + out
