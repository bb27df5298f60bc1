"""What a study's trials say of the reward of any network of its search space."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace

import numpy as np

from nas.predictor import Inputs, Posterior, Settings, fit_settings
from nas.samplers.columns import Columns, row_keys
from nas.samplers.known import Known

__all__ = ["Described", "Prior", "Surrogate", "Task", "Trials", "learnt_prior"]

Array = np.ndarray
Prior = Callable[[Array], Array]
REFERENCE = 1024  # random networks that costs are scaled by
FEWEST = 5  # observations to fit hyperparameters on
SHY = 0.5  # of the spread of the accuracies that are expected: how far off they may be


@dataclass(frozen=True, slots=True)
class Trials:
    """Holds what a study has tried: rows with their rewards, to maximise, and rows under way.

    `taken` are the keys of all rows that are not to be tried (again).
    """

    rows: Array
    values: Array
    running: Array
    taken: Array


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
        self._share, self._bar = np.ones(0), -np.inf
        self._whole, self._parts, self._told = _Scale(), _Scale(), _Scale()
        reference = columns.sample(np.random.default_rng(0), REFERENCE)
        if known is not None:
            if known.parts is not None:
                self._share = np.maximum(known.parts(reference.astype(np.int64)).mean(0), 1e-300)
            self._whole, self._parts = map(_Scale.of, self._costs(reference))
        if prior is not None:
            self._told = _Scale.of(prior(reference)[:, None])

    @property
    def spread(self) -> float:
        """Returns by how much the accuracies that are expected differ; 1 without a prior."""
        return float(np.squeeze(self._told.deviation))

    def keys(self, rows: Array) -> Array:
        """Returns numbers (N,) that are equal where the networks are."""
        if self.known is not None and self.known.canonical is not None and len(rows):
            rows = self.known.canonical(rows.astype(np.int64))
        return row_keys(rows)

    def _costs(self, rows: Array) -> tuple[Array, Array]:
        """Returns logarithms of costs (N, K, or one more) and of the parts' costs (N, P).

        Every part has diminishing returns, so of two networks that cost the same the balanced one
        is the better: the mean over parts of log(1 + cost / usual cost) tells them apart.
        """
        if self.known is None:
            return np.zeros((len(rows), 0)), np.zeros((len(rows), 0))
        encoded = rows.astype(np.int64)
        costs = np.log(self.known.costs(encoded))
        if self.known.parts is None:
            return costs, np.zeros((len(rows), 0))
        logs = np.log1p(self.known.parts(encoded) / self._share)
        return np.concatenate([costs, logs.mean(1, keepdims=True)], axis=1), logs

    def describe(self, rows: Array) -> Described:
        """Returns what the model needs to know of rows."""
        costs, logs = self._costs(rows)
        whole, parts = self._whole(costs), self._parts(logs)
        expected = np.zeros(len(rows))
        if self.prior is not None:  # an input as well: it may be right but for its scale
            expected = self.prior(rows)
            whole = np.concatenate([whole, self._told(expected[:, None])], axis=1)
        places, groups = self.columns.places(rows)
        more = len(self.columns.names) + np.arange(parts.shape[1])
        share = max(1, whole.shape[1]) ** 0.5
        inputs = Inputs(
            np.concatenate([self.columns.effects(rows), whole / share], axis=1),
            whole,
            np.concatenate([places, parts], axis=1),
            np.concatenate([groups, more]),
        )
        return Described(inputs, self.factor(rows), expected)

    def factor(self, rows: Array) -> Array:
        """Returns what turns accuracies into rewards (N,); 1 where that is not known."""
        if self.known is None or self.known.factor is None:
            return np.ones(len(rows))
        return self.known.factor(rows.astype(np.int64))

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


def fitted_on(count: int) -> int:
    """Returns how many of the first observations hyperparameters are fitted on: rarely another."""
    return count - count % max(1, count // 16)


class Surrogate:
    """Predicts rewards from trials; the running ones turn out as expected.

    Rewards below the median are drawn together by their logarithm: how bad a bad network is does
    not matter, and a model of all alike would spend itself on the worst (Vizier warps likewise:
    Song et al., arXiv:2408.11527).
    """

    def __init__(self, task: Task, trials: Trials) -> None:
        self.task, self.trials = task, trials
        described = task.describe(trials.rows)
        first = slice(fitted_on(len(trials.values)))
        rewards = _warped(trials.values, trials.values[first])
        residual = rewards / described.factor - described.expected
        self.center = residual[first].mean() if len(residual) else 0.0
        values = residual - self.center
        if len(values) < FEWEST:
            scale, settings = SHY * task.spread, Settings.usual(described.inputs)
        else:
            scale = float(residual[first].std()) or 1.0
            settings = fit_settings(described.inputs[first], values[first] / scale)
        posterior = Posterior(described.inputs, values, settings, scale=scale)
        if len(trials.running):
            more = task.describe(trials.running).inputs
            believed = np.concatenate([values, posterior(more, spread=False)[0]])
            both = described.inputs.concat(more)
            posterior = Posterior(both, believed, settings, scale=scale)
        self._posterior = posterior

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

    def tried(self) -> tuple[Array, Array]:
        """Returns the rows tried, the best expected first, with their expected rewards."""
        rows = np.concatenate([self.trials.rows, self.trials.running])
        mean, _ = self.reward(rows, spread=False)
        order = np.argsort(-mean, kind="stable")
        return rows[order], mean[order]


def _warped(rewards: Array, known: Array) -> Array:
    """Draws rewards below the median of the known ones together."""
    if not len(known):
        return rewards
    middle = np.median(known)
    spread = float(known[known >= middle].std()) or 1.0
    below = np.maximum(middle - rewards, 0)
    return np.where(below > 0, middle - spread * np.log1p(below / spread), rewards)


def learnt_prior(columns: Columns, known: Known, rows: Array, accuracies: Array) -> Prior:
    """Returns the accuracies to expect after other trainings (N) of networks of the same space."""
    task = Task(columns, replace(known, factor=None))
    nothing = np.zeros((0, len(columns.names)))
    taken = np.zeros(0, dtype=np.uint64)
    return Surrogate(task, Trials(rows, accuracies, nothing, taken)).accuracy
