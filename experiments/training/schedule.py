"""The learning rate of a step, as a pure function of the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable

from experiments.recipes import Recipe

__all__ = ["learning_rate", "warmup_steps"]

WARMUP_LIMIT = 0.5  # of a training that is shorter than its recipe meant
_EXACT = 1e-9  # so that a step that ends a period counts as its end, whatever the rounding


def warmup_steps(steps: int, recipe: Recipe) -> float:
    """Returns over how many of `steps` the rate rises."""
    if recipe.warmup_epochs:
        return min(recipe.warmup_epochs / recipe.epochs, WARMUP_LIMIT) * steps
    return recipe.warmup * steps


def learning_rate(
    step: float, steps: int, recipe: Recipe, *, batch_size: int | None = None
) -> float:
    """Returns the rate for `step` of `steps`: a linear rise to the peak, then the schedule.

    The peak is `lr` for `lr_batch` images, in proportion to `batch_size` (None: the recipe's).
    A step may be a fraction: stages with larger batches take fewer steps for the same way.
    """
    own = recipe.batch_size
    peak = recipe.lr * ((batch_size or own) / (recipe.lr_batch or own))
    rise = warmup_steps(steps, recipe)
    if step < rise:
        return peak * (step + 1) / (rise + 1)
    if recipe.schedule == "staircase":
        return peak * recipe.lr_decay ** _periods(step, steps, recipe)
    return peak * _SHAPES[recipe.schedule](step - rise, max(1.0, steps - rise))


def _periods(step: float, steps: int, recipe: Recipe) -> int:
    """Counts the whole periods of decay from the first step on, warm-up included (as in [T])."""
    epochs = step * recipe.epochs / steps
    return math.floor(epochs / recipe.lr_decay_epochs + _EXACT)


# What is left of the peak after so many of so many steps.
_SHAPES: dict[str, Callable[[float, float], float]] = {
    "cosine": lambda done, whole: 0.5 * (1 + math.cos(math.pi * done / whole)),
    "linear": lambda done, whole: 1 - done / whole,
    "constant": lambda *_: 1.0,
}
