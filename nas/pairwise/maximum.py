"""The networks of a whole space with the highest predicted rewards, and whether that is proven."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np

from nas.objective import Objective
from nas.pairwise.bound import Window, above
from nas.pairwise.climb import Problem, around, climb
from nas.pairwise.model import Predictor

__all__ = ["Best", "best_networks"]

Array = np.ndarray
STARTS = 200
FEW_STARTS = 20
POWERS = -np.geomspace(0.003, 3.0, 24)
WINDOW = 1.1  # most MACs of a window over its fewest


@dataclass(frozen=True, slots=True)
class Best:
    """Holds encoded networks (N, choices), best first, with the logarithms of their rewards.

    With `proven`, no network of the space that is left out is better than any of them.
    `reached` of `climbs` random starts led to the first; `looked_at` counts partial networks.
    """

    encoded: Array
    log_rewards: Array
    proven: bool
    climbs: int
    reached: int
    looked_at: int


def best_networks(
    predictor: Predictor, objective: Objective, *, count: int = 1, seed: int = 0
) -> Best:
    """Returns the `count` networks of the predictor's space with the highest rewards.

    Climbs find them, and branch and bound over windows of MACs then looks for any that the climbs
    have missed. Raises `InputError` for a space with a choice of widths.
    """
    problem = Problem(predictor, objective)
    rng = np.random.default_rng(seed)
    found, rewards = climb(problem, problem.random(rng, STARTS))
    front = _front(problem, problem.random(rng, FEW_STARTS))
    polished, _ = climb(problem, np.stack([network for _, network in front]))
    first = _best(problem, np.concatenate([found, polished]), 1)[0]
    known = _best(problem, np.concatenate([found, around(problem, first)]), count)
    proven, looked_at = True, 0
    for window in _windows(problem, front, float(problem.count(first[None])[0, 0])):
        bounded = above(problem, window, float(problem.log_reward(known)[-1]))
        proven &= bounded.whole
        looked_at += bounded.looked_at
        known = _best(problem, np.concatenate([known, bounded.networks]), count)
    top = problem.log_reward(known)
    reached = int((rewards >= top[0] - 1e-9).sum())
    return Best(problem.encoded(known), top, proven, STARTS, reached, looked_at)


def _best(problem: Problem, networks: Array, count: int) -> Array:
    """Returns the `count` best of networks (N, stages), which may hold some of them twice."""
    distinct = np.unique(networks, axis=0)
    rewards = problem.log_reward(distinct)
    return distinct[np.argsort(-rewards, kind="stable")[:count]]


def _front(problem: Problem, starts: Array) -> list[tuple[float, Array]]:
    """Returns powers of MACs, and the network (stages,) that is best where they weigh accuracy.

    At that network's MACs the best accuracy grows with about the inverse of the power.
    """
    front: list[tuple[float, Array]] = []
    for power in POWERS.tolist():
        soft = replace(problem.objective, name="soft", exponent=power)
        weighed = Problem(problem.predictor, soft)
        known = [network[None] for _, network in front[-1:]]
        found, rewards = climb(weighed, np.concatenate([starts, *known]))
        front.append((power, found[int(rewards.argmax())]))
    return front


def _windows(
    problem: Problem, front: list[tuple[float, Array]], around_macs: float
) -> list[Window]:
    """Returns windows that hold every network, those nearest to some MACs first."""
    least, most = problem.predictor.space.macs_range
    exponent, target = problem.objective.resolved_exponent, problem.objective.target_macs
    parts = [(float(least), float(most), exponent)]
    if problem.objective.name == "hard":
        parts = [(float(least), min(target, most), 0.0), (max(target, least), most, exponent)]
    macs = problem.count(np.stack([network for _, network in front]))[:, 0]
    windows = []
    for low, high, power in parts:
        number = max(1, int(np.ceil(np.log(high / low) / np.log(WINDOW)))) if low <= high else 0
        edges = np.geomspace(low, high, number + 1)
        edges[[0, -1]] = low, high
        for a, b in itertools.pairwise(edges.tolist()):
            relaxed, near = front[int(np.abs(np.log(macs / np.sqrt(a * b))).argmin())]
            windows.append(Window(a, b, power, relaxed, near))
    return sorted(windows, key=lambda w: abs(np.log(np.sqrt(w.low * w.high) / around_macs)))
