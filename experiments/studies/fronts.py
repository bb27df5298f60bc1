"""How fast a sampler finds a Pareto front: the true hypervolume after every trial of a search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler

from experiments.studies.at_once import AtOnce
from experiments.studies.problems import Problem
from experiments.studies.regret import Searched
from nas.front import Front, base_reward
from nas.pareto import Span, pareto_front
from nas.samplers import expected_values
from nas.samplers.columns import Columns

__all__ = ["best_hypervolume", "front_of", "search_front"]

Array = np.ndarray
Point = tuple[float, float]  # accuracy and MACs
FIRST, BUDGETS, KEPT = 4096, 80, 5
LISTED = 8192


def front_of(problem: Problem) -> Front:
    """Returns the aim: accuracy against the MACs of all of a problem's space."""
    return Front(Span(*map(float, problem.space.macs_range)), base_reward(None, None, "macs"))


def _points(problem: Problem, encoded: Array) -> list[Point]:
    """Returns the true accuracies of encoded networks (N, choices), with their MACs."""
    macs, _ = problem.space.tables.count(encoded)
    accuracies = problem.accuracy(encoded)
    return [(float(a), float(m)) for a, m in zip(accuracies, macs, strict=True)]


def _itself(point: Point) -> Point:
    return point


def best_hypervolume(problem: Problem, *, seed: int = 0) -> float:
    """Returns the hypervolume of the best front known: the true one of a space that is listed.

    Of a larger space, that of a search among the true accuracies: under each of 80 budgets, spread
    over the logarithm of MACs, from the 5 most accurate networks to all of their neighbours, until
    these 5 stay the same.
    """
    front = front_of(problem)
    if problem.space.size <= LISTED:
        every = Columns({c.name: CategoricalDistribution(c.options) for c in problem.space.choices})
        return front.hypervolume(_points(problem, every.all().astype(np.int64)), _itself)
    return front.hypervolume(_bred(problem, np.random.default_rng(seed)), _itself)


def search_front(
    problem: Problem,
    name: str,
    make: Callable[[int], BaseSampler],
    *,
    best: float,
    seed: int,
    trials: int,
    at_once: int = 1,
) -> Searched:
    """Searches a problem for its front; regret (%) is what its hypervolume misses of `best`.

    It is that of the true accuracies of what is recommended: the front of the accuracies that
    the sampler's model expects of the networks tried, or of those measured without one.
    """
    sampler, rng, front = make(seed), np.random.default_rng(1000 + seed), front_of(problem)
    study = optuna.create_study(directions=front.directions, sampler=sampler)
    asked = AtOnce(study, problem.space, trials=trials, at_once=at_once, seed=seed)
    tried, regret = dict[int, Point](), list[float]()  # what was tried, by number
    for trial in asked:
        encoded = problem.space.encode(trial.params)
        tried[trial.number] = _points(problem, encoded[None])[0]
        study.tell(trial, [problem.measure(encoded, rng), tried[trial.number][1]])
        found = front.hypervolume(_recommended(sampler, study, tried), _itself)
        regret.append(100 * (1 - found / best))
    return Searched(problem.name, name, seed, tuple(regret), tuple(asked.milliseconds), at_once)


def _recommended(
    sampler: BaseSampler, study: optuna.Study, tried: Mapping[int, Point]
) -> list[Point]:
    """Returns the true points of the networks that are on the front by what is known of them."""
    believed = {trial.number: trial.values[0] for trial in study.trials if trial.number in tried}
    believed |= expected_values(sampler, study)
    chosen = pareto_front(
        tried, gain=lambda number: believed[number], cost=lambda number: tried[number][1]
    )
    return [tried[number] for number in chosen]


def _bred(problem: Problem, rng: np.random.Generator) -> list[Point]:
    """Returns the front of all that is seen while climbing under every budget."""
    space, low, high = problem.space, *problem.space.macs_range
    rows = space.sample_encoded(rng, FIRST)
    points, tried = np.array(_points(problem, rows)), np.zeros(len(rows), dtype=bool)
    budgets, front = np.geomspace(low * 1.01, high, BUDGETS), list[Point]()
    while True:
        best = np.unique(np.concatenate([_most(points, budget) for budget in budgets]))
        rows, points, tried = rows[best], points[best], tried[best]
        if tried.all():
            return front
        around = np.concatenate([space.neighbours_encoded(row) for row in rows[~tried]])
        rows = np.concatenate([rows, around])
        points = np.concatenate([points, _points(problem, around)])
        front = _front([*front, *map(tuple, points.tolist())])
        tried = np.arange(len(rows)) < len(tried)  # the best before, all tried now
        _, first = np.unique(rows, axis=0, return_index=True)
        rows, points, tried = rows[first], points[first], tried[first]


def _front(points: Iterable[Point]) -> list[Point]:
    return pareto_front(points, gain=lambda point: point[0], cost=lambda point: point[1])


def _most(points: Array, budget: float) -> Array:
    """Returns the indices of the most accurate networks that a budget pays for."""
    within = np.flatnonzero(points[:, 1] <= budget)
    return np.asarray(within[np.argsort(-points[within, 0], kind="stable")[:KEPT]])
