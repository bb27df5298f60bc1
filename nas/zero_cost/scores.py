"""The scores: functions of a network as it was initialised and a batch; more is better."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nas.zero_cost.batch import Batch, scoring_copy, weighted_layers
from nas.zero_cost.synflow import synflow
from search_spaces.blocks import ACTIVATIONS
from search_spaces.cost import cost
from search_spaces.network import Network

__all__ = ["SCORES", "Score", "grad_norm", "macs", "naswot", "params", "synflow", "zico"]

PARTS = 2  # of a batch, each of which gives ZiCo a gradient

Score = Callable[[Network, Batch], float]
_ACTIVATIONS: tuple[Any, ...] = tuple(ACTIVATIONS.values())


def params(network: nn.Module, batch: Batch) -> float:
    """Counts the parameters. Larger networks are better ones, as a rule; a score must beat it."""
    return float(sum(weights.numel() for weights in network.parameters()))


def macs(network: Network, batch: Batch) -> float:
    """Counts multiply-adds at the resolution of the network's spec, whatever the batch's."""
    return float(cost(network.spec).macs)


def _gradients(network: nn.Module, images: Tensor, labels: Tensor) -> list[Tensor]:
    """Returns the gradient of the mean cross entropy by each layer's weights."""
    weights = [layer.weight for layer in weighted_layers(network)]
    return list(torch.autograd.grad(F.cross_entropy(network(images), labels), weights))


def grad_norm(network: nn.Module, batch: Batch) -> float:
    """Returns Σ_l ‖∂L/∂W_l‖₂ over convolutions and linear layers, L the batch's cross entropy.

    Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS" (arXiv:2101.08134, section
    3.2), summed by layer as their code does. BatchNorm normalises by the batch, as it does there.
    """
    found = _gradients(scoring_copy(network), batch.images, batch.labels)
    return math.fsum(float(grad.double().norm()) for grad in found)


def _agreements(signs: Tensor) -> Tensor:
    """Counts, for each two of N images, the units (N, U) that agree in whether they are on."""
    codes = torch.where(signs > 0, 1.0, -1.0).flatten(1)
    # Whole numbers below 2²⁴ are exact in float32, and no layer has as many units.
    return (codes @ codes.T + codes.shape[1]).double() / 2


def naswot(network: nn.Module, batch: Batch) -> float:
    """Returns log|det K|, K_ij = N_A − d_H(c_i, c_j): how well units tell images apart.

    c_i says which of the N_A inputs of activations are positive for image i, d_H is the Hamming
    distance; −∞ where two images have the same code. Mellor et al. 2021, "Neural Architecture
    Search without Training" (arXiv:2006.04647, section 3). Theirs are ReLUs; of SiLU, hard-swish
    and ReLU6, too, the sign of the input is taken. BatchNorm normalises by the batch, as there.
    """
    copied = scoring_copy(network)
    kernel = torch.zeros(len(batch.images), len(batch.images), dtype=torch.float64)

    def count(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        kernel.add_(_agreements(inputs[0]).cpu())

    for module in copied.modules():
        if isinstance(module, _ACTIVATIONS):
            module.register_forward_pre_hook(count)
    with torch.no_grad():
        copied(batch.images)
    return float(torch.linalg.slogdet(kernel).logabsdet)


def _inverse_variation(grads: Tensor) -> float:
    """Returns log Σ mean|g|/deviation(g) over the weights of a layer: `grads` (parts, …)."""
    grads = grads.double()
    deviation = grads.std(0, correction=0)
    varies = deviation > 0
    total = float((grads.abs().mean(0)[varies] / deviation[varies]).sum())
    return math.log(total) if total > 0 else 0.0


def zico(network: nn.Module, batch: Batch) -> float:
    """Returns Σ_l log Σ_{ω ∈ W_l} E|g_ω| / √Var(g_ω), g_ω = ∂L/∂ω over the batch's two halves.

    Li et al. 2023, "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation on Gradients"
    (arXiv:2301.11300, eq. 15). As in their code, the deviation is that of the signed gradients,
    weights whose gradient does not vary are left out, and BatchNorm normalises by each half.
    """
    copied = scoring_copy(network)
    halves = zip(batch.images.chunk(PARTS), batch.labels.chunk(PARTS), strict=True)
    by_half = [_gradients(copied, images, labels) for images, labels in halves]
    return math.fsum(_inverse_variation(torch.stack(grads)) for grads in zip(*by_half, strict=True))


SCORES: Mapping[str, Score] = {
    "params": params,
    "macs": macs,
    "grad_norm": grad_norm,
    "synflow": synflow,
    "naswot": naswot,
    "zico": zico,
}
