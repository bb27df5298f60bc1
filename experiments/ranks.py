"""How well two orders of the same networks agree, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Agreement", "agreement", "kendall"]

DRAWS = 2_000
COVERED = (2.5, 97.5)  # percentiles: a 95% interval
FEWEST_SHARE = 0.5  # of the draws must have an order at all for an interval

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Agreement:
    """Holds a mean Kendall τ-b over n networks, with its 95% interval; None: there is no order."""

    tau: float | None
    low: float | None
    high: float | None
    n: int


def _signs(values: Array) -> Array:
    """Returns (N, N): 1 where the row is more than the column, −1 where less; −∞ equals itself."""
    more = values[:, None] > values[None, :]
    return more.astype(np.float64) - more.T


def _taus(first: Array, second: Array, counts: Array) -> Array:
    """Returns τ-b for each row of `counts` (D, N), how often each network is in a draw."""
    one, other = _signs(first), _signs(second)

    def total(pairs: Array) -> Array:
        found: Array = ((counts @ pairs) * counts).sum(axis=1)
        return found

    orders = total(one**2) * total(other**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        taus: Array = total(one * other) / np.sqrt(orders)
    return taus


def kendall(first: Array, second: Array) -> float | None:
    """Returns Kendall's τ-b of two series (N,); None where one of them is all the same."""
    tau = float(_taus(first, second, np.ones((1, len(first))))[0])
    return None if np.isnan(tau) else tau


def agreement(
    pairs: Sequence[tuple[Array, Array]], *, draws: int = DRAWS, seed: int = 0
) -> Agreement:
    """Returns the mean τ-b of pairs of series (N,), all of the same networks.

    The interval is the percentile bootstrap's: networks are drawn with replacement, the same ones
    for every pair (Efron and Tibshirani 1993, chapter 13).
    """
    count = len(pairs[0][0])
    chances = np.full(count, 1 / count)
    drawn = np.random.default_rng(seed).multinomial(count, chances, size=draws).astype(np.float64)
    counts = np.concatenate([np.ones((1, count)), drawn])
    means = np.mean([_taus(first, second, counts) for first, second in pairs], axis=0)
    known = means[1:][~np.isnan(means[1:])]
    if np.isnan(means[0]) or len(known) < FEWEST_SHARE * draws:
        return Agreement(None if np.isnan(means[0]) else float(means[0]), None, None, count)
    low, high = np.percentile(known, COVERED)
    return Agreement(float(means[0]), float(low), float(high), count)
