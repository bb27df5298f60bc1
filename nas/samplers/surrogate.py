"""What a study's trials say of the reward of any network of its search space."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from nas.predictor import Inputs, Posterior, Settings, fit_settings
from nas.samplers.columns import Columns, row_keys
from nas.samplers.known import Known
from nas.samplers.tried import Tried

__all__ = [
    "Described",
    "Prior",
    "Surrogate",
    "Task",
    "Trials",
    "learnt_prior",
    "settled",
    "telling",
]

Array = np.ndarray
Prior = Callable[[Array], Array]
REFERENCE = 1024  # random networks that costs are scaled by
FEWEST = 5  # observations to fit hyperparameters on
MOST = 384  # observations that are told apart: the time they take grows as the cube of their number
FOLLOWED = 256  # running trials that the model counts: those that it expects the most of
RARELY = 64  # trials in which what was settled before does not change, at most
SHY = 0.5  # of the spread of the accuracies that are expected: how far off they may be


@dataclass(frozen=True, slots=True)
class Trials:
    """Holds what a study has tried: rows with their rewards, to maximise, and rows under way.

    `taken` are the keys of all rows that are not to be tried (again). `doubts` are deviations of
    rewards that were not measured but foretold.
    """

    rows: Array
    values: Array
    running: Array
    taken: Array
    doubts: Array | float = 0.0


@dataclass(frozen=True, slots=True)
class Described:
    """Holds the model's inputs (N), factors from accuracy to reward, and accuracies expected."""

    inputs: Inputs
    factor: Array
    expected: Array


@dataclass(frozen=True, slots=True)
class _Scale:
    """Brings columns to mean 0 and deviation 1; those that never change are left at 0."""

    mean: Array | float = 0.0
    deviation: Array | float = 1.0

    @classmethod
    def of(cls, reference: Array) -> _Scale:
        deviation = reference.std(0)
        return cls(reference.mean(0), np.where(deviation > 0, deviation, np.inf))

    def __call__(self, values: Array) -> Array:
        return np.asarray((values - self.mean) / self.deviation)


class Task:
    """Describes rows to the model, with what is known of them and what is expected."""

    def __init__(self, columns: Columns, known: Known | None, prior: Prior | None = None) -> None:
        self.columns, self.known, self.prior = columns, known, prior
        self.tried = Tried(columns, self.keys)
        self._share, self._bar = np.ones(0), -np.inf
        self._whole, self._told = _Scale(), _Scale()
        reference = columns.sample(np.random.default_rng(0), REFERENCE)
        if known is not None:
            if known.parts is not None:
                self._share = np.maximum(known.parts(reference.astype(np.int64)).mean(0), 1e-300)
            self._whole = _Scale.of(self._costs(reference))
        if prior is not None:
            self._told = _Scale.of(prior(reference)[:, None])

    @property
    def spread(self) -> float:
        """Returns by how much the accuracies that are expected differ; 1 without a prior."""
        return float(np.squeeze(self._told.deviation))

    def keys(self, rows: Array) -> Array:
        """Returns numbers (N,) that are equal where the networks are."""
        if self.known is not None and self.known.keys is not None and len(rows):
            return self.known.keys(rows.astype(np.int64))
        return row_keys(rows)

    @cached_property
    def listed(self) -> tuple[Array, Array]:
        """Returns every row of a small space without numeric parameters, and their keys."""
        rows = self.columns.all()
        return rows, self.keys(rows)

    def _costs(self, rows: Array) -> Array:
        """Returns logarithms of costs (N, K), with hints, and the balance of parts if known.

        Every part has diminishing returns, so of two networks that cost the same the balanced one
        is the better: the mean over parts of log(1 + cost / usual cost) tells them apart.
        """
        if self.known is None:
            return np.zeros((len(rows), 0))
        encoded = rows.astype(np.int64)
        costs: Array = np.log(self.known.costs(encoded))
        if self.known.hints is not None:
            costs = np.concatenate([costs, self.known.hints(encoded)], axis=1)
        if self.known.parts is None:
            return costs
        logs = np.log1p(self.known.parts(encoded) / self._share)
        return np.concatenate([costs, logs.mean(1, keepdims=True)], axis=1)

    def describe(self, rows: Array) -> Described:
        """Returns what the model needs to know of rows."""
        whole = self._whole(self._costs(rows))
        expected = np.zeros(len(rows))
        if self.prior is not None:  # an input as well: it may be right but for its scale
            expected = self.prior(rows)
            whole = np.concatenate([whole, self._told(expected[:, None])], axis=1)
        effects, certain = self.columns.effects(rows), np.zeros(len(rows))
        inputs = Inputs(effects, whole, *self.columns.places(rows), certain)
        return Described(inputs, self.factor(rows), expected)

    def factor(self, rows: Array) -> Array:
        """Returns what turns accuracies into rewards (N,); 1 where that is not known."""
        if self.known is None or self.known.factor is None:
            return np.ones(len(rows))
        return self.known.factor(rows.astype(np.int64))

    def untried_first(self, trials: Trials) -> Array:
        """Returns the rows that are to be tried before any others, and were not yet."""
        if self.known is None or self.known.first is None:
            return np.zeros((0, len(self.columns.names)))
        rows = self.known.first.astype(float)
        return rows[self.allowed(rows) & ~np.isin(self.keys(rows), trials.taken)]

    def above(self, bar: float) -> Task:
        """Returns the task of which only those rows may be tried whose reward could be `bar`."""
        task = copy(self)
        task._bar = bar
        return task

    def allowed(self, rows: Array) -> Array:
        """Tells (N,) which rows may be tried."""
        right = np.ones(len(rows), dtype=bool)
        if self.known is None:
            return right
        if self.known.allowed is not None:
            right &= self.known.allowed(rows.astype(np.int64))
        if self.known.factor is not None and self.known.ceiling is not None:
            right &= self.factor(rows) * self.known.ceiling >= self._bar
        return right


def settled(count: int) -> int:
    """Returns how many of the first observations hyperparameters are fitted on: rarely others."""
    return count - count % max(1, min(count // 16, RARELY))


def telling(values: Array) -> Array:
    """Returns, in order, the observations (at most 384) that say most of where the best are.

    Of more than that, one half are the best, and the others are spread over all the rest.
    """
    if len(values) <= MOST:
        return np.arange(len(values))
    order = np.argsort(-values, kind="stable")
    best, rest = order[: MOST // 2], np.sort(order[MOST // 2 :])
    spread = np.linspace(0, len(rest) - 1, MOST - MOST // 2).astype(np.int64)
    return np.sort(np.concatenate([best, rest[spread]]))


class Surrogate:
    """Predicts rewards from trials; the running ones turn out as expected."""

    def __init__(self, task: Task, trials: Trials) -> None:
        self.task, self.trials = task, trials
        whole = settled(len(trials.values))
        kept = telling(trials.values[:whole])
        first = slice(len(kept))
        self._kept = kept = np.concatenate([kept, np.arange(whole, len(trials.values))])
        described = task.describe(trials.rows[kept])
        residual = trials.values[kept] / described.factor - described.expected
        self.center = residual[first].mean() if len(residual) else 0.0
        values = residual - self.center
        enough = len(values) >= FEWEST
        scale = (float(residual[first].std()) or 1.0) if enough else SHY * task.spread
        doubts = np.broadcast_to(trials.doubts, trials.values.shape)[kept] / described.factor
        inputs = replace(described.inputs, doubts=doubts / scale)
        settings = Settings.usual(inputs)
        if enough:
            settings = fit_settings(inputs[first], values[first] / scale)
        posterior = Posterior(inputs, values, settings, scale=scale)
        self._posterior = posterior
        if len(trials.running):
            more = task.describe(self._followed(trials.running)).inputs
            believed = np.concatenate([values, posterior(more, spread=False)[0]])
            both = inputs.concat(more)
            self._posterior = Posterior(both, believed, settings, scale=scale)

    def _followed(self, running: Array) -> Array:
        """Returns the running rows of the greatest expected reward, 256 at the most, in order.

        What the others will tell matters little where the best are looked for, and each costs time.
        """
        if len(running) <= FOLLOWED:
            return running
        mean, _ = self.reward(running, spread=False)
        return np.asarray(running[np.sort(np.argsort(-mean, kind="stable")[:FOLLOWED])])

    def accuracy(self, rows: Array) -> Array:
        """Returns the expected accuracies (N,) of rows."""
        described = self.task.describe(rows)
        mean, _ = self._posterior(described.inputs, spread=False)
        return np.asarray(mean + self.center + described.expected)

    def reward(self, rows: Array, *, spread: bool = True) -> tuple[Array, Array]:
        """Returns mean and deviation (N,) of the rewards; no deviation without `spread`."""
        described = self.task.describe(rows)
        mean, deviation = self._posterior(described.inputs, spread=spread)
        factor = described.factor
        rewards = (mean + self.center + described.expected) * factor
        return rewards, deviation * factor[: len(deviation)]

    def moves(self, rows: Array, by: Array) -> Array:
        """Returns by how much a trial of each row of `by` moves the expected rewards (N, M).

        That is for a result one deviation, its noise included, above what was expected.
        """
        here, there = self.task.describe(rows), self.task.describe(by)
        shared = self._posterior.covariance(here.inputs, there.inputs)
        _, deviation = self._posterior(there.inputs)
        unsure = np.hypot(deviation, self._posterior.noise)
        return np.asarray(here.factor[:, None] * shared / unsure)

    def tried(self) -> tuple[Array, Array]:
        """Returns the rows told apart, the best expected first, with their expected rewards."""
        rows = np.concatenate([self.trials.rows[self._kept], self.trials.running])
        mean, _ = self.reward(rows, spread=False)
        order = np.argsort(-mean, kind="stable")
        return rows[order], mean[order]


def learnt_prior(columns: Columns, known: Known, rows: Array, accuracies: Array) -> Prior:
    """Returns the accuracies to expect after other trainings (N) of networks of the same space."""
    task = Task(columns, replace(known, factor=None))
    nothing = np.zeros((0, len(columns.names)))
    taken = np.zeros(0, dtype=np.uint64)
    return Surrogate(task, Trials(rows, accuracies, nothing, taken)).accuracy
