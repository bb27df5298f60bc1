"""The networks of a whole space with the highest predicted rewards, and whether that is proven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from nas.objective import Objective
from nas.pairwise.bound import above
from nas.pairwise.climb import Problem, around, climb
from nas.pairwise.model import Predictor

__all__ = ["Best", "best_networks"]

Array = np.ndarray
STARTS = 200
FEW_STARTS = 20
HALVINGS = 12
STEEPEST = 2.0  # of the exponents that a bound on MACs is relaxed to
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
    starts = problem.random(np.random.default_rng(seed), STARTS)
    found, rewards = climb(problem, starts)
    relaxed, more = _relaxed(problem, seed) if objective.name == "hard" else (0.0, found[:0])
    first = _best(problem, np.concatenate([found, more]), 1)[0]
    known = _best(problem, np.concatenate([found, around(problem, first)]), count)
    proven, looked_at = True, 0
    for low, high, exponent in _windows(problem, relaxed):
        least = float(problem.log_reward(known)[-1])
        bounded = above(problem, known[0], low, high, exponent, least)
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


def _windows(problem: Problem, relaxed: float) -> Iterator[tuple[float, float, float]]:
    """Yields windows of MACs, and what power of MACs bounds the reward in each.

    Up to the target a hard reward is ACC, which is at most ACC·(MACs/T)^w for any w below 0: with
    the `relaxed` one, few networks beyond the target are better than the best within it.
    """
    least, most = problem.predictor.space.macs_range
    exponent, target = problem.objective.resolved_exponent, problem.objective.target_macs
    if problem.objective.name != "hard":
        parts = [(least, most, exponent)]
    else:
        parts = [(least, min(target, most), relaxed), (max(target, least), most, exponent)]
    for low, high, power in parts:
        if low > high:
            continue
        number = max(1, int(np.ceil(np.log(high / low) / np.log(WINDOW))))
        edges = np.geomspace(low, high, number + 1)
        edges[0], edges[-1] = low, high
        yield from ((float(a), float(b), power) for a, b in zip(edges, edges[1:], strict=False))


def _relaxed(problem: Problem, seed: int) -> tuple[float, Array]:
    """Returns the exponent at which the best network has about the target's MACs, and what it met.

    Found by halving: a steeper exponent never has a best network with more MACs.
    """
    steep, flat = -STEEPEST, 0.0
    starts = problem.random(np.random.default_rng(seed), FEW_STARTS)
    met = [starts]
    for _ in range(HALVINGS):
        middle = (steep + flat) / 2
        soft = replace(problem.objective, name="soft", exponent=middle)
        relaxed = Problem(problem.predictor, soft)
        found, rewards = climb(relaxed, starts)
        met.append(found)
        macs = problem.count(found[[int(rewards.argmax())]])[0, 0]
        if macs > problem.objective.target_macs:
            flat = middle
        else:
            steep = middle
    networks = np.concatenate(met)
    polished, _ = climb(problem, _best(problem, networks, FEW_STARTS))
    return flat, np.concatenate([networks, polished])
