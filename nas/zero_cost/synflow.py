"""Synaptic flow through a network made linear."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor, nn

from nas.zero_cost.batch import Batch, weighted_layers
from search_spaces.blocks import ACTIVATIONS, Block, SqueezeExcite

__all__ = ["synflow"]

_STRAIGHT: tuple[Any, ...] = (nn.BatchNorm2d, nn.Dropout, SqueezeExcite, *ACTIVATIONS.values())


def _straighten(module: nn.Module) -> None:
    """Puts identities in place of whatever is not linear in a network of positive numbers."""
    for name, child in module.named_children():
        if isinstance(child, _STRAIGHT):
            setattr(module, name, nn.Identity())
        else:
            _straighten(child)


def _linear_copy(network: nn.Module) -> nn.Module:
    """Returns the network in float64 with absolute weights, made linear; biases are zero."""
    copied = copy.deepcopy(network).double().eval()
    _straighten(copied)
    with torch.no_grad():
        for name, values in copied.named_parameters():
            if name.endswith("bias"):
                values.zero_()
            else:
                values.abs_()
    return copied


def synflow(network: nn.Module, batch: Batch) -> float:
    """Returns log Σ_θ |θ·∂R/∂θ|, R = Σ outputs of the network with weights |θ| for an image of 1s.

    Tanaka et al. 2020, "Pruning neural networks without any data by iteratively conserving
    synaptic flow" (arXiv:2006.05467, eq. 1), summed over the weights of convolutions and linear
    layers as a score of networks by Abdelfattah et al. 2021 (arXiv:2101.08134, section 3.2). Both
    take BatchNorm out of the way: Tanaka's code evaluates it as initialised, which is the
    identity, Abdelfattah's puts the identity in its place, as is done here. The papers' networks
    are of ReLUs, which let positive numbers pass; other activations are taken to do so too, and
    the gates of squeeze-excite to be open. So R is linear in each layer's weights. What flows
    grows by orders of magnitude with each block, so it is rescaled behind each, which is exact.
    Of the batch only the size of the images matters.
    """
    copied = _linear_copy(network)
    logs: list[float] = []

    def rescale(module: nn.Module, inputs: Any, out: Tensor) -> Tensor:
        scale = float(out.detach().mean())
        if scale <= 0:
            return out
        logs.append(math.log(scale))
        return out / scale

    for module in copied.modules():
        if isinstance(module, Block):
            module.register_forward_hook(rescale)
    ones = torch.ones_like(batch.images[:1], dtype=torch.float64)
    weights = [layer.weight for layer in weighted_layers(copied)]
    grads = torch.autograd.grad(copied(ones).sum(), weights)
    flow = math.fsum(float((w.detach() * g).sum()) for w, g in zip(weights, grads, strict=True))
    return math.log(flow) + math.fsum(logs) if flow > 0 else -math.inf
