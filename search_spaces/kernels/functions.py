"""The compiled kernels as differentiable functions, for float32 channels_last on the CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["CODES", "Depthwise", "Gated", "NormAct"]

CODES = {None: 0, "silu": 1, "relu": 2, "relu6": 3, "hard_swish": 4}  # as in training.cpp


def _packed(grad: Tensor) -> Tensor:
    return grad.contiguous(memory_format=torch.channels_last)


class NormAct(torch.autograd.Function):
    """Applies BatchNorm by the batch's statistics and an activation; keeps only its input."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, act: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Returns act(norm(x)), the mean and the (biased) variance of each channel, (C,)."""
        out, mean, inverse, variance = torch.ops.compound_nas.norm_act(x, weight, bias, eps, act)
        ctx.save_for_backward(x, weight, bias, mean, inverse)
        ctx.act = act
        ctx.mark_non_differentiable(mean, variance)
        return out, mean, variance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of x, weight and bias."""
        backward = torch.ops.compound_nas.norm_act_backward
        dx, dweight, dbias = backward(_packed(grads[0]), *ctx.saved_tensors, ctx.act)
        return dx, dweight, dbias, None, None


class Gated(torch.autograd.Function):
    """Multiplies x (N, C, H, W) by a gate (N, C, 1, 1); both gradients come of one pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, gate: Tensor) -> Tensor:
        """Returns x·gate."""
        ctx.save_for_backward(x, gate)
        out: Tensor = torch.ops.compound_nas.gated(x, gate.contiguous())
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the gradients of x and gate."""
        x, gate = ctx.saved_tensors
        dx, dgate = torch.ops.compound_nas.gated_backward(_packed(grads[0]), x, gate.contiguous())
        return dx, dgate


class Depthwise(torch.autograd.Function):
    """Convolves depthwise with torch's kernel and finds the gradients with ours."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
        """Returns the convolution of x (N, C, H, W) with weight (C, 1, k, k)."""
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return torch.conv2d(x, weight, None, stride, padding, 1, x.shape[1])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of x and weight."""
        x, weight = ctx.saved_tensors
        backward = torch.ops.compound_nas.depthwise_backward
        dx, dweight = backward(_packed(grads[0]), x, weight, ctx.stride, ctx.padding)
        return dx, dweight, None, None
