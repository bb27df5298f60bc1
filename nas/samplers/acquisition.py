"""Which network to try next: what a trial is expected to gain, and the search for the greatest."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from scipy.special import erfcx, log_ndtr, ndtri

from nas.samplers.columns import Columns
from nas.samplers.surrogate import Task

__all__ = ["best_rows", "knowledge_gain", "log_improvement"]

Array = np.ndarray
Score = Callable[[Array], Array]

MOST_LISTED = 8192  # a space of no more combinations is scored whole
FIRST, CHILDREN, PARENTS, ROUNDS = 600, 500, 100, 7
CLIMBS, CLIMB_STEPS = 3, 8
TAKEN = -1  # the place of networks that are not to be tried
OUTCOMES = 21  # results of a trial, equally likely, that stand for all


def log_improvement(mean: Array, deviation: Array, best: float) -> Array:
    """Returns the logarithm of expected improvement, also where it is far below any float.

    EI = s·(φ(z) + z·Φ(z)), z = (mean − best)/s (Ament et al., arXiv:2310.20708, for its logarithm).
    """
    z = (mean - best) / deviation
    low = np.minimum(z, -1)
    far = np.log1p(np.maximum(np.sqrt(np.pi / 2) * low * erfcx(-low / np.sqrt(2)), -1 + 1e-15))
    tail = -0.5 * low**2 - 0.5 * np.log(2 * np.pi) + far
    high = np.maximum(z, -1)
    near = np.exp(-0.5 * high**2) / np.sqrt(2 * np.pi) + high * np.exp(log_ndtr(high))
    return np.asarray(np.log(deviation) + np.where(z > -1, np.log(near), tail))


def knowledge_gain(mean: Array, moves: Array) -> Array:
    """Returns by how much each trial (M,) is expected to raise the greatest expected reward.

    `mean` (N,) are the expected rewards of the networks that may be chosen in the end, `moves`
    (N, M) what a trial one deviation above expectation adds to each (the knowledge gradient for
    correlated beliefs: Frazier, Powell and Dayanik, INFORMS Journal on Computing 21(4), 2009).
    """
    gain = np.zeros(moves.shape[1])
    for z in ndtri((np.arange(OUTCOMES) + 0.5) / OUTCOMES):
        gain += (mean[:, None] + z * moves).max(axis=0)
    return np.asarray(gain / OUTCOMES - mean.max())


class _Pool:
    """Keeps the networks seen so far with their scores, each once, without the `taken` ones."""

    def __init__(self, score: Score, task: Task, taken: Array) -> None:
        self.score, self.task = score, task
        self.places = dict.fromkeys(taken.tolist(), TAKEN)  # of networks, by key
        self.rows, self.scores = np.zeros((0, len(task.columns.names))), np.zeros(0)

    def add(self, rows: Array, keys: Array | None = None) -> None:
        """Scores the rows that are new; `keys` are theirs, where they are known."""
        allowed = self.task.allowed(rows).tolist()
        keys = self.task.keys(rows) if keys is None else keys
        new = {
            key: i
            for i, (key, right) in enumerate(zip(keys.tolist(), allowed, strict=True))
            if right and key not in self.places
        }
        if new:
            self.places.update(zip(new, itertools.count(len(self.rows)), strict=False))
            rows = rows[list(new.values())]
            self.rows = np.concatenate([self.rows, rows])
            self.scores = np.concatenate([self.scores, self.score(rows)])

    def top(self, count: int) -> Array:
        """Returns the best rows, the best first."""
        return np.asarray(self.rows[np.argsort(-self.scores, kind="stable")[:count]])

    def best_of(self, rows: Array) -> tuple[float, Array]:
        """Adds rows; returns the best score among them, with its row; -∞ for none."""
        keys = self.task.keys(rows)
        self.add(rows, keys)
        places = np.array([self.places.get(key, TAKEN) for key in keys.tolist()], dtype=np.int64)
        places = places[places != TAKEN]
        if not len(places):
            return -np.inf, rows
        best = places[self.scores[places].argmax()]
        return float(self.scores[best]), self.rows[best]


def best_rows(
    score: Score,
    task: Task,
    starts: Array,
    rng: np.random.Generator,
    *,
    taken: Array,
    count: int = 1,
) -> Array:
    """Returns rows of the greatest score found (fewer than `count` where no more are left).

    A small space is scored whole. In a larger one, random rows and `starts` breed by exchange and
    change of parameters, and the best then climb to where no single change helps. Rows that are
    not allowed, and those whose keys are `taken`, are left out.
    """
    pool, columns = _Pool(score, task, taken), task.columns
    if columns.count is not None and columns.count <= MOST_LISTED:
        pool.add(*task.listed)
        return pool.top(count)
    pool.add(np.concatenate([starts, columns.sample(rng, FIRST)]))
    pool.add(columns.changed(np.repeat(starts, 4, axis=0), rng))
    for _ in range(ROUNDS):
        parents = pool.top(PARENTS)
        if len(parents):
            pool.add(_children(parents, columns, rng))
    for row in pool.top(CLIMBS):
        _climb(pool, row)
    return pool.top(count)


def _children(parents: Array, columns: Columns, rng: np.random.Generator) -> Array:
    """Breeds rows: of two parents half the time, better ones more often, then changed."""
    chosen = (len(parents) * rng.random((2, CHILDREN)) ** 2).astype(np.int64)
    one, two = parents[chosen[0]], parents[chosen[1]]
    mixed = np.where(rng.random(one.shape) < 0.5, one, two)
    crossed = rng.random(CHILDREN) < 0.5
    return columns.changed(np.where(crossed[:, None], mixed, one), rng)


def _climb(pool: _Pool, row: Array) -> None:
    """Goes from row to better neighbour until there is none."""
    best = -np.inf
    for _ in range(CLIMB_STEPS):
        score, around = pool.best_of(pool.task.columns.neighbours(row))
        if score <= best:
            return
        best, row = score, around
