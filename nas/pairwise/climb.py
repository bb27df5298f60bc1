"""Climbs to networks with a high predicted reward: stage by stage, from many random starts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas.objective import Objective
from nas.pairwise.kernel import Inputs
from nas.pairwise.model import Predictor
from search_spaces.errors import InputError

__all__ = ["Problem", "around", "climb"]

Array = np.ndarray
LEAST = 1e-9  # accuracies below, which the model may predict, have this logarithm


@dataclass(frozen=True)
class Problem:
    """Weighs predicted accuracies against MACs; a network is one combination a stage.

    Raises `InputError` for a space whose stages may differ in width: their costs then depend on
    each other.
    """

    predictor: Predictor
    objective: Objective

    def __post_init__(self) -> None:
        if any(len(stage.widths) > 1 for stage in self.predictor.space.tables.stages):
            name = self.predictor.space.name
            raise InputError(f"space {name} has a choice of widths; its best cannot be computed")

    @cached_property
    def costs(self) -> list[Array]:
        """Returns by stage the MACs and params of its combinations, (2, combinations)."""
        stages = self.predictor.space.tables.stages
        return [np.stack([stage.macs[0], stage.params[0]]) for stage in stages]

    @cached_property
    def fixed(self) -> Array:
        """Returns the MACs and params that every network has, (2,)."""
        tables = self.predictor.space.tables
        fixed: Array = np.array(tables.fixed) + tables.tails[0]
        return fixed

    @property
    def sizes(self) -> list[int]:
        """Counts the combinations of each stage."""
        return [stage.shape[1] for stage in self.costs]

    def count(self, networks: Array) -> Array:
        """Returns MACs and params (N, 2) of networks (N, stages)."""
        counted = [cost[:, column] for cost, column in zip(self.costs, networks.T, strict=True)]
        total: Array = self.fixed + np.sum(counted, axis=0).T
        return total

    def log_penalty(self, macs: Array) -> Array:
        """Returns the logarithm of what the objective multiplies accuracies by."""
        ratio = np.log(macs / self.objective.target_macs)
        if self.objective.name == "hard":
            ratio = np.maximum(ratio, 0)
        return self.objective.resolved_exponent * ratio

    def log_reward(self, networks: Array) -> Array:
        """Returns the logarithms of the rewards (N,) of networks (N, stages)."""
        counted = self.count(networks)
        latent = self.predictor.latent_of(Inputs(networks, np.log(counted)))
        accuracy = np.maximum(self.predictor.accuracy_of(latent), LEAST)
        rewards: Array = np.log(accuracy) + self.log_penalty(counted[:, 0])
        return rewards

    def encoded(self, networks: Array) -> Array:
        """Returns networks (N, stages) as the space encodes them, (N, choices)."""
        places = self.predictor.space.places
        columns = [p.choices(column) for p, column in zip(places, networks.T, strict=True)]
        return np.concatenate(columns, axis=1)

    def random(self, rng: np.random.Generator, count: int) -> Array:
        """Draws networks (count, stages), each combination of a stage as likely as any other."""
        return rng.integers(self.sizes, size=(count, len(self.sizes)))


def climb(problem: Problem, networks: Array) -> tuple[Array, Array]:
    """Improves networks (N, stages) a stage at a time until none improves; with log-rewards."""
    networks, rewards = networks.copy(), problem.log_reward(networks)
    while True:
        before = rewards.copy()
        for stage, size in enumerate(problem.sizes):
            tried = np.repeat(networks, size, axis=0)
            tried[:, stage] = np.tile(np.arange(size), len(networks))
            values = problem.log_reward(tried).reshape(len(networks), size)
            best = values.argmax(axis=1)
            better = values.max(axis=1) > rewards
            networks[better, stage] = best[better]
            rewards = np.maximum(rewards, values.max(axis=1))
        if (rewards <= before + 1e-12).all():
            return networks, rewards


def around(problem: Problem, network: Array) -> Array:
    """Returns every network that differs from one (stages,) in at most two stages, once each."""
    sizes, found = problem.sizes, []
    for t in range(len(sizes)):
        for s in range(t):
            pair = np.tile(network, (sizes[s] * sizes[t], 1))
            pair[:, s] = np.repeat(np.arange(sizes[s]), sizes[t])
            pair[:, t] = np.tile(np.arange(sizes[t]), sizes[s])
            found.append(pair)
    return np.unique(np.concatenate(found), axis=0) if found else network[None]
