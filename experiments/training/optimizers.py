"""Optimizers by name, with the parameters grouped by whether they decay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer

from experiments.recipes import Recipe

__all__ = ["OPTIMIZERS", "RMSpropTF", "make_optimizer", "parameter_groups", "state_tensors"]

Groups = list[dict[str, Any]]


class RMSpropTF(Optimizer):
    """Is RMSProp as TensorFlow computes it, which MnasNet and EfficientNet were trained with.

    With gradient g (weight decay added to it), decay ρ, momentum μ and rate η::

        s ← ρ·s + (1 − ρ)·g²          s begins at 1, not at 0
        m ← μ·m + η·g / √(s + ε)      ε inside the root, the rate inside the momentum
        w ← w − m

    Source: `tf.compat.v1.train.RMSPropOptimizer`. `torch.optim.RMSprop` differs in all three.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        *,
        decay: float = 0.9,
        momentum: float = 0.9,
        eps: float = 1e-3,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "decay": decay,
            "momentum": momentum,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Updates every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            self._update(group)
        return loss

    def _update(self, group: dict[str, Any]) -> None:
        params = [p for p in group["params"] if p.grad is not None]
        if not params:
            return
        grads: Any = [p.grad for p in params]
        squares = [self._state_of(p)["square"] for p in params]
        moments = [self._state_of(p)["moment"] for p in params]
        if group["weight_decay"]:
            grads = torch._foreach_add(grads, params, alpha=group["weight_decay"])
        torch._foreach_mul_(squares, group["decay"])
        torch._foreach_addcmul_(squares, grads, grads, 1 - group["decay"])
        roots = torch._foreach_add(squares, group["eps"])
        torch._foreach_sqrt_(roots)
        torch._foreach_mul_(moments, group["momentum"])
        torch._foreach_addcdiv_(moments, grads, roots, group["lr"])
        torch._foreach_sub_(params, moments)

    def _state_of(self, param: Tensor) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.state[param]
        if not state:
            state["square"] = torch.ones_like(param)
            state["moment"] = torch.zeros_like(param)
        return state


def _sgd(groups: Groups, recipe: Recipe) -> Optimizer:
    nesterov = recipe.momentum > 0
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov)


def _adamw(groups: Groups, recipe: Recipe) -> Optimizer:
    return torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999))


def _rmsprop(groups: Groups, recipe: Recipe) -> Optimizer:
    return RMSpropTF(
        groups, recipe.lr, decay=recipe.rms_decay, momentum=recipe.momentum, eps=recipe.eps
    )


OPTIMIZERS: dict[str, Callable[[Groups, Recipe], Optimizer]] = {
    "sgd": _sgd,
    "adamw": _adamw,
    "rmsprop": _rmsprop,
}


def parameter_groups(network: nn.Module, weight_decay: float) -> Groups:
    """Returns two groups: weights, which decay, and biases and BatchNorm, which do not."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    return [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]


def make_optimizer(network: nn.Module, recipe: Recipe) -> Optimizer:
    """Returns the recipe's optimizer for a network."""
    return OPTIMIZERS[recipe.optimizer](parameter_groups(network, recipe.weight_decay), recipe)


def state_tensors(recipe: Recipe) -> int:
    """Counts the tensors of a parameter's size that the optimizer keeps, to estimate files."""
    return {"sgd": int(recipe.momentum > 0), "adamw": 2, "rmsprop": 2}[recipe.optimizer]
