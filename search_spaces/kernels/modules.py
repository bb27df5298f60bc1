"""A network's own modules, their forward passes through the compiled kernels while it trains."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from search_spaces.blocks import ConvNormAct, SqueezeExcite
from search_spaces.kernels import load_kernels
from search_spaces.kernels.functions import CODES, Depthwise, Gated, NormAct

__all__ = ["use_kernels"]

KERNELS = (3, 5, 7)  # sides of the depthwise convolutions that there are kernels for


def _fits(x: Tensor) -> bool:
    """Tells whether the kernels can compute with `x` as it lies."""
    return (
        x.device.type == "cpu"
        and x.dtype == torch.float32
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def _is_depthwise(conv: nn.Conv2d) -> bool:
    """Tells whether each channel has its own filter, one of a size that there is a kernel for."""
    one_each = conv.groups == conv.in_channels == conv.out_channels
    return one_each and conv.kernel_size[0] in KERNELS


class _FusedConvNormAct(ConvNormAct):
    """Applies the same layer; BatchNorm and activation are one kernel while it trains."""

    def convolve(self, x: Tensor) -> Tensor:
        conv = self.conv
        if not (self.training and _is_depthwise(conv) and _fits(x)):
            return super().convolve(x)
        padding = conv.padding[0]
        assert isinstance(padding, int)
        out: Tensor = Depthwise.apply(x, conv.weight, conv.stride[0], padding)  # type: ignore[no-untyped-call]
        return out

    def normalise(self, x: Tensor) -> Tensor:
        norm = self.norm
        if not (self.training and _fits(x)):
            return super().normalise(x)
        out: Tensor
        out, mean, variance = NormAct.apply(  # type: ignore[no-untyped-call]
            x, norm.weight, norm.bias, norm.eps, CODES[self.act_name]
        )
        self._note(mean, variance, x.numel() // x.shape[1])
        return out

    @torch.no_grad()
    def _note(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Moves the running statistics, as BatchNorm does: the variance by n − 1."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        assert norm.momentum is not None
        norm.num_batches_tracked.add_(1)
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / max(1, count - 1)), norm.momentum)


class _FusedSqueezeExcite(SqueezeExcite):
    """Applies the same gate; its product's two gradients come of one pass."""

    def apply_gate(self, x: Tensor, gate: Tensor) -> Tensor:
        if not (self.training and _fits(x)):
            return super().apply_gate(x, gate)
        out: Tensor = Gated.apply(x, gate)  # type: ignore[no-untyped-call]
        return out


_FUSED: dict[type[nn.Module], type[nn.Module]] = {
    ConvNormAct: _FusedConvNormAct,
    SqueezeExcite: _FusedSqueezeExcite,
}


def use_kernels(network: nn.Module) -> None:
    """Makes a network train through the compiled kernels, in place; weights and names stay.

    Where they do not fit (a GPU, other precisions or memory formats, evaluation) torch's own
    operations compute as before. Raises `InputError` where the kernels cannot be built.
    """
    load_kernels()
    for module in network.modules():
        fused = _FUSED.get(type(module))
        if fused is not None:
            module.__class__ = fused  # same parameters, another forward pass
