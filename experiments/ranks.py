"""How well two orders of the same networks agree, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Agreement", "Pairs", "agreement", "difference", "kendall"]

DRAWS = 2_000
COVERED = (2.5, 97.5)  # percentiles: a 95% interval
FEWEST = 8  # networks that an interval is given for: draws of fewer are too much alike
FEWEST_SHARE = 0.5  # of the draws must have an order at all for an interval

Array = np.ndarray
Pairs = Sequence[tuple[Array, Array]]


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


def _means(pairs: Pairs, seed: int) -> Array:
    """Returns the mean τ-b of the pairs: first as they are, then in each draw of networks."""
    count = len(pairs[0][0])
    chances = np.full(count, 1 / count)
    drawn = np.random.default_rng(seed).multinomial(count, chances, size=DRAWS).astype(np.float64)
    counts = np.concatenate([np.ones((1, count)), drawn])
    means: Array = np.mean([_taus(first, second, counts) for first, second in pairs], axis=0)
    return means


def _with_interval(means: Array, count: int) -> Agreement:
    known = means[1:][~np.isnan(means[1:])]
    tau = None if np.isnan(means[0]) else float(means[0])
    if tau is None or count < FEWEST or len(known) < FEWEST_SHARE * DRAWS:
        return Agreement(tau, None, None, count)
    low, high = np.percentile(known, COVERED)
    return Agreement(tau, float(low), float(high), count)


def agreement(pairs: Pairs, *, seed: int = 0) -> Agreement:
    """Returns the mean τ-b of pairs of series (N,), all of the same networks.

    The interval is the percentile bootstrap's: networks are drawn with replacement, the same ones
    for every pair (Efron and Tibshirani 1993, chapter 13). Fewer than 8 networks get none.
    """
    return _with_interval(_means(pairs, seed), len(pairs[0][0]))


def difference(first: Pairs, second: Pairs, *, seed: int = 0) -> Agreement:
    """Returns how much more the first pairs agree than the second, in τ, on the same draws."""
    return _with_interval(_means(first, seed) - _means(second, seed), len(first[0][0]))
