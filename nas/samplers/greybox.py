"""Grey-box search: what a network costs is known exactly, so only its accuracy has to be learnt.

The reward is accuracy times a factor of the cost. A Gaussian process predicts accuracy from the
choices and the costs; times the exact factor, that is a prediction of the reward (grey-box Bayesian
optimisation: Astudillo and Frazier, arXiv:2201.00272). Expected improvement finds the networks that
may be the best; of those, the one is trained next whose result is expected to raise the reward of
the network chosen in the end the most, since what is learnt of one is learnt of all that are like
it, and a lucky measurement is no better network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from nas.samplers.acquisition import best_rows, knowledge_gain, log_improvement
from nas.samplers.base import StudySampler, finished, sign, value
from nas.samplers.columns import Columns
from nas.samplers.known import Known
from nas.samplers.rungs import believed
from nas.samplers.surrogate import Prior, Surrogate, Task, Trials
from nas.samplers.tried import FAIL, PRUNED, Tried

__all__ = ["GreyBoxSampler", "best_row"]

Array = np.ndarray
Space = Mapping[str, BaseDistribution]
STARTUP = (6, 16)  # the fewest and the most trials before the model; else one for two choices
DESIGNS = 256
STARTS = 20
HOPEFUL = 100  # networks of the greatest expected improvement that a trial is chosen among
BOLDNESS = 3.0  # how many deviations count as one there, so that some of them are far from the best


def _always(trial: FrozenTrial) -> bool:
    return True


class GreyBoxSampler(StudySampler):
    """Suggests the network whose training is expected to improve the reward the most.

    `known` says what is known of networks without training them; without it, or where a study's
    parameters are not those it speaks of, the values themselves are modelled. Trials that are
    running count as networks whose result will be as expected. Pruned ones are not tried again;
    those that were left at a rung count with the result that it lets expect.

    `prior` maps rows of indices (N, choices) to the accuracies (N,) that are expected before any
    trial; the first `startup` trials (by default, about one for two choices) are then not spent on
    spreading out. `avoid` tells of a failed trial whether its network is not to be tried again.
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        known: Known | None = None,
        prior: Prior | None = None,
        startup: int | None = None,
        avoid: Callable[[FrozenTrial], bool] = _always,
    ) -> None:
        super().__init__(seed=seed)
        self._known, self._prior, self._avoid = known, prior, avoid
        self._startup = startup if prior is None else 0  # None: by the choices

    def _space(self, study: Study) -> dict[str, BaseDistribution]:
        if self._known is not None:
            return {n: CategoricalDistribution(o) for n, o in self._known.choices.items()}
        return super()._space(study)

    def _suggest(self, study: Study, space: dict[str, BaseDistribution]) -> dict[str, Any]:
        task = self._task(space)
        trials = self._trials(study, task)
        if task.known is not None and task.known.ceiling is not None:
            task = task.above(_most(study, task.tried))
        rng = np.random.default_rng([self._seed, len(trials.values), len(trials.taken)])
        first = task.untried_first(trials)
        if len(first):
            row = first[0]
        elif len(trials.values) < self._first(task):
            row = _apart(task, trials, rng)
        else:
            row = self._improving(Surrogate(task, trials), rng)
        return task.columns.decode(row)

    def _improving(self, surrogate: Surrogate, rng: np.random.Generator) -> Array:
        """Returns the row whose trial is expected to raise the best expected reward the most."""
        rows, expected = surrogate.tried()
        task, taken, starts = surrogate.task, surrogate.trials.taken, rows[:STARTS]

        def score(rows: Array) -> Array:
            mean, deviation = surrogate.reward(rows)
            return (
                log_improvement(mean, BOLDNESS * deviation, expected[0]) if len(expected) else mean
            )

        found = best_rows(score, task, starts, rng, taken=taken, count=HOPEFUL)
        if not len(found):
            return np.asarray(task.columns.sample(rng, 1)[0])
        if not len(expected):  # a prior alone: the first trial is what it says is the best
            return np.asarray(found[0])
        choosable = np.concatenate([found, starts])
        mean, _ = surrogate.reward(choosable, spread=False)
        return np.asarray(found[knowledge_gain(mean, surrogate.moves(choosable, found)).argmax()])

    def recommend(self, study: Study) -> dict[str, Any]:
        """Returns the parameters of the greatest expected reward, whether tried or not.

        The best measurement of many is partly luck; an expectation learns from all of them.
        Raises `ValueError` where the study has no finished trial.
        """
        task = self._task(self._space(study))
        trials = self._trials(study, task)
        if len(trials.values) < max(2, self._first(task)) or not task.columns.names:
            return study.best_params
        surrogate = Surrogate(task, trials)
        starts, _ = surrogate.tried()
        rng = np.random.default_rng([self._seed, len(trials.values)])
        found = best_rows(
            lambda rows: surrogate.reward(rows, spread=False)[0],
            task,
            starts[:STARTS],
            rng,
            taken=np.zeros(0, dtype=np.uint64),
        )
        return {**study.best_params, **task.columns.decode(found[0])}

    def expected(self, study: Study) -> dict[int, float]:
        """Returns the expected value of each finished trial, by number: its luck left out."""
        task = self._task(self._space(study))
        done = [trial for trial in finished(study) if task.columns.holds(trial.params)]
        values = {trial.number: value(trial) for trial in done}
        trials = self._trials(study, task)
        if len(trials.values) < max(2, self._first(task)) or not task.columns.names:
            return values
        rows = task.columns.encode([trial.params for trial in done])
        mean = sign(study) * Surrogate(task, trials).reward(rows, spread=False)[0]
        return dict(zip(values, mean.tolist(), strict=True))

    def _first(self, task: Task) -> int:
        """Returns how many trials are spread out before the model is asked."""
        if self._startup is not None:
            return self._startup
        return min(max(STARTUP[0], 2 + len(task.columns.names) // 2), STARTUP[1])

    def _task(self, space: Space) -> Task:
        known = self._known
        if known is None or {n: getattr(d, "choices", None) for n, d in space.items()} != dict(
            known.choices
        ):
            return Task(Columns(space), None)
        ordered = tuple((name, space[name]) for name in known.choices)
        return _known_task(ordered, known, self._prior)

    def _trials(self, study: Study, task: Task) -> Trials:
        """Reads from the study what was tried; a repeat of a trial's network says nothing new."""
        trials = study.get_trials(deepcopy=False)  # once: each call reads the storage
        tried, columns = task.tried, task.columns
        running = [t.params for t in tried.update(trials) if t.state == TrialState.RUNNING]
        waiting = columns.encode([params for params in running if columns.holds(params)])
        failed = tried.states == FAIL
        if failed.any():
            failed[failed] = [self._avoid(trial) for trial in tried.of(failed)]
        closed = tried.measured | failed | (tried.states == PRUNED)
        taken = np.concatenate([tried.keys[closed], task.keys(waiting)])
        rows, values, doubts = _observed(task, tried)
        return Trials(rows, sign(study) * values, waiting, taken, doubts)


def _observed(task: Task, tried: Tried) -> tuple[Array, Array, Array]:
    """Returns rows, values and doubts of trials: measured, or foretold where one was left."""
    first, doubts = tried.measured & tried.first, np.zeros(len(tried.values))
    pruned = tried.states == PRUNED
    if pruned.any():
        pruned[pruned] = [bool(trial.intermediate_values) for trial in tried.of(pruned)]
    if not pruned.any():
        return np.asfortranarray(tried.rows[first]), tried.values[first], doubts[first]
    values = tried.values.copy()
    factors = task.factor(tried.rows)
    values[pruned], doubts[pruned] = believed(
        tried.of(pruned), factors[pruned], tried.of(first), factors[first]
    )
    told = first | (pruned & np.isfinite(values))
    return np.asfortranarray(tried.rows[told]), values[told], doubts[told]


def _most(study: Study, tried: Tried) -> float:
    """Returns the best value, to be maximised, that was measured in a study."""
    return float(np.max(sign(study) * tried.values[tried.measured], initial=-np.inf))


@lru_cache(maxsize=8)
def _known_task(
    space: tuple[tuple[str, BaseDistribution], ...], known: Known, prior: Prior | None
) -> Task:
    return Task(Columns(dict(space)), known, prior)


def _apart(task: Task, trials: Trials, rng: np.random.Generator) -> Array:
    """Returns a row that is far from the ones before."""
    rows = task.columns.sample(rng, DESIGNS)
    rows = rows[task.allowed(rows) & ~np.isin(task.keys(rows), trials.taken)]
    before = np.concatenate([trials.rows, trials.running])
    if not len(rows) or not len(before):
        return np.asarray(task.columns.sample(rng, 1)[0])
    here, there = task.columns.effects(rows), task.columns.effects(before)
    nearest = ((here[:, None] - there) ** 2).sum(-1).min(axis=1)
    return np.asarray(rows[nearest.argmax()])


def best_row(
    score: Callable[[Array], Array], surrogate: Surrogate, starts: Array, rng: np.random.Generator
) -> Array:
    """Returns the row of the greatest score found that was not tried; a random one if none is."""
    task, taken = surrogate.task, surrogate.trials.taken
    found = best_rows(score, task, starts, rng, taken=taken)
    return np.asarray(found[0] if len(found) else task.columns.sample(rng, 1)[0])
