"""What a training that was left says of its end: by those that came to it past the same rung."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.trial import FrozenTrial

__all__ = ["believed"]

Array = np.ndarray
FEWEST = 5  # trials that have both a rung's value and a last one


def believed(
    left: Sequence[FrozenTrial], factors: Array, done: Sequence[FrozenTrial], theirs: Array
) -> tuple[Array, Array]:
    """Returns the values (N,) that trials which were left could have ended with; NaN: unknown.

    And their deviations (N,), those of what the regression leaves unexplained.

    `factors` (N,) and `theirs` (M,) turn accuracies into the values of the trials, and accuracies
    are what is told: the last of those `done` are regressed on theirs at a rung, linearly, and
    never downwards. Which of them went on was decided by the rung alone, so that says nothing of
    the regression. Fewer than five such trials say too little.
    """
    found, deviations = np.full(len(left), np.nan), np.full(len(left), np.nan)
    steps = [max(trial.intermediate_values) for trial in left]
    pairs = {step: _pairs(done, theirs, step) for step in set(steps)}
    for index, (trial, step) in enumerate(zip(left, steps, strict=True)):
        early, late = pairs[step]
        if len(early) >= FEWEST:
            here = trial.intermediate_values[step] / factors[index]
            mean, deviation = _regressed(early, late, here)
            found[index], deviations[index] = factors[index] * mean, factors[index] * deviation
    return found, deviations


def _pairs(done: Sequence[FrozenTrial], factors: Array, step: int) -> tuple[Array, Array]:
    """Returns the accuracies at a rung and at the end, of the trials that have both."""
    both = [(t, f) for t, f in zip(done, factors, strict=True) if step in t.intermediate_values]
    early = np.array([t.intermediate_values[step] / f for t, f in both])
    return early, np.array([float(t.value or 0) / f for t, f in both])


def _regressed(early: Array, late: Array, here: float) -> tuple[float, float]:
    """Returns what to expect late where early there was `here`, and its deviation."""
    spread = early - early.mean()
    slope = max(0.0, float(spread @ late) / max(float(spread @ spread), 1e-12))
    left = late - late.mean() - slope * spread
    deviation = (float(left @ left) / (len(late) - 2)) ** 0.5
    return float(late.mean() + slope * (here - early.mean())), deviation
