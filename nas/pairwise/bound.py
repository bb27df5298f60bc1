"""Finds every network above a reward: partial networks that cannot reach it are left out.

Within a window of MACs the logarithm of the reward is bounded by a sum over stages and pairs of
stages: tangents where it is concave in the latent value, log-MACs or log-params, chords where it
is convex. What the missing stages can add to a partial network is bounded by their best (branch
and bound).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nas.pairwise.climb import Problem

__all__ = ["Bounded", "Window", "above"]

Array = np.ndarray
MOST = 1_000_000  # partial networks of one length in one window
CHUNK = 10_000
SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Window:
    """Bounds MACs from `low` to `high`, where the reward follows MACs to the power `exponent`.

    The bound on it follows the power `relaxed`, which is valid whatever it is and tight where
    accuracy, at its best for these MACs, grows with the inverse power. It is tightest around the
    network `near` (stages,).
    """

    low: float
    high: float
    exponent: float
    relaxed: float
    near: Array

    @property
    def anchor(self) -> float:
        """Returns the MACs at which both powers agree, on the side where the relaxed one is above.

        From `low` on a flatter power is above, and up to `high` a steeper one.
        """
        return self.low if self.relaxed >= self.exponent else self.high


@dataclass(frozen=True, slots=True)
class Bounded:
    """Holds the networks (N, stages) of a window that may reach a reward.

    `whole` tells that no other can; `looked_at` counts partial networks.
    """

    networks: Array
    whole: bool
    looked_at: int


def _line(slope: float, low: float, high: float, point: float) -> tuple[float, float]:
    """Returns a and b with slope·log(x) ≤ a + b·x from `low` to `high`; tight at `point`."""
    if slope >= 0:
        at = min(max(point, low), high)
        return slope * (np.log(at) - 1), slope / at
    b = slope * (np.log(high) - np.log(low)) / (high - low) if high > low else 0.0
    return slope * np.log(low) - b * low, b


@dataclass(frozen=True, slots=True)
class _Sum:
    """Bounds log-rewards by a constant, one table a stage and one a pair, (s, t) and (t, s)."""

    constant: float
    stages: list[Array]
    pairs: dict[tuple[int, int], Array]


def _bounding_sum(problem: Problem, window: Window) -> _Sum:
    """Returns the sum for networks within a window."""
    predictor, target = problem.predictor, problem.objective.target_macs
    macs, params = problem.count(window.near[None])[0]
    latent = float(predictor.latent(problem.encoded(window.near[None]))[0])
    rest = np.exp(-latent)
    rate = rest / (predictor.hyper.ceiling - rest)  # of log ACC by the latent value
    sizes = [cost[1] for cost in problem.costs]
    least, most = (problem.fixed[1] + sum(map(end, sizes)) for end in (np.min, np.max))
    by_macs, by_params = rate * predictor.slopes
    a, b = _line(by_macs + window.relaxed, window.low, window.high, macs)
    c, d = _line(by_params, least, most, params)
    constant = np.log(predictor.hyper.ceiling - rest) + rate * (predictor.offset - latent)
    constant += a + c + problem.fixed @ (b, d)
    anchor = np.log(window.anchor)
    constant += window.exponent * (anchor - np.log(target)) - window.relaxed * anchor
    stages = [
        rate * table + b * cost[0] + d * cost[1]
        for table, cost in zip(predictor.stages, problem.costs, strict=True)
    ]
    pairs = {}
    for (s, t), table in predictor.pairs.items():
        rows, columns = table.mean(axis=1), table.mean(axis=0)
        centred = rate * (table - rows[:, None] - columns + table.mean())
        stages[s] += rate * rows
        stages[t] += rate * (columns - table.mean())
        pairs[s, t], pairs[t, s] = centred, centred.T
    return _Sum(float(constant), stages, pairs)


def above(problem: Problem, window: Window, least: float) -> Bounded:
    """Returns the networks of a window whose log-reward may be `least` or more."""
    bounds = _bounding_sum(problem, window)
    order = _order(bounds)
    networks, looked_at = np.zeros((1, len(order)), dtype=np.int64), 0
    for depth in range(len(order)):
        parts = [
            _grown(problem, bounds, networks[i : i + CHUNK], order, depth, window, least)
            for i in range(0, len(networks), CHUNK)
        ]
        networks = np.concatenate([networks[:0], *parts])
        looked_at += len(networks)
        if len(networks) > MOST:
            return Bounded(networks[:0], False, looked_at)
    return Bounded(networks, True, looked_at)


def _order(bounds: _Sum) -> list[int]:
    """Lists the stages, those first that matter most to others."""
    weight = np.zeros(len(bounds.stages))
    for (s, _), table in bounds.pairs.items():
        weight[s] += table.std()
    return [int(stage) for stage in np.argsort(-weight, kind="stable")]


def _grown(
    problem: Problem,
    bounds: _Sum,
    networks: Array,
    order: list[int],
    depth: int,
    window: Window,
    least: float,
) -> Array:
    """Gives partial networks their next stage, in every way that may still reach `least`."""
    known, stage, rest = order[:depth], order[depth], order[depth + 1 :]
    size = len(bounds.stages[stage])
    value = bounds.constant + _known(bounds, networks, known)
    value = (value[:, None] + _given(bounds, networks, known, stage)).ravel()
    macs = problem.fixed[0] + sum(problem.costs[s][0][networks[:, s]] for s in known)
    macs = (macs + np.zeros(len(networks)))[:, None] + problem.costs[stage][0]
    fewest, largest = (
        sum(float(end(problem.costs[t][0])) for t in rest) for end in (np.min, np.max)
    )
    inside = ((macs + fewest <= window.high) & (macs + largest >= window.low)).ravel()
    rows, options = np.divmod(np.flatnonzero(inside), size)
    bound = value[inside]
    for place, t in enumerate(rest):
        table = _given(bounds, networks, known, t)
        for u in rest[place + 1 :]:
            table = table + bounds.pairs[t, u].max(axis=1)
        bound += (table[rows] + bounds.pairs[stage, t][options]).max(axis=1)
    kept = bound >= least - SLACK
    grown: Array = networks[rows[kept]]
    grown[:, stage] = options[kept]
    return grown


def _known(bounds: _Sum, networks: Array, known: list[int]) -> Array:
    """Adds up what the known stages and their pairs give, (N,)."""
    total = np.zeros(len(networks))
    for place, s in enumerate(known):
        total += bounds.stages[s][networks[:, s]]
        for t in known[:place]:
            total += bounds.pairs[s, t][networks[:, s], networks[:, t]]
    return total


def _given(bounds: _Sum, networks: Array, known: list[int], stage: int) -> Array:
    """Returns what each combination of a stage gives beside the known ones, (N, combinations)."""
    table = np.tile(bounds.stages[stage], (len(networks), 1))
    for s in known:
        table += bounds.pairs[s, stage][networks[:, s]]
    return table
