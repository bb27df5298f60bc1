"""Search problems made of published measurements: every network's true reward is known.

`macro` is NAS-Bench-Macro (CVPR 2021): one of the three measured accuracies per evaluation, the
truth their mean. `mnas` is Accel-NASBench's space (DAC 2024): accuracies by boosted trees fitted to
the 5,138 measured networks, with noise of 0.25 points, as between seeds of a training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from experiments.measured_tables import read_table
from nas.objective import Objective
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace

__all__ = ["PROBLEMS", "Problem", "make_problem"]

Array = np.ndarray
Accuracies = Callable[[Array], Array]
NOISE = 0.0025
TREES, FITTED_ON = 3, 4600
STARTS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """Holds a space with a reward, true accuracies, and what measuring one of them gives.

    `accuracy` maps encoded networks, int64 (N, choices), to accuracies (N,) in [0, 1]; `measure`
    maps one encoded network (choices,) to a noisy one. `best` is the greatest true reward known.
    """

    name: str
    space: SearchSpace
    objective: Objective
    accuracy: Accuracies
    measure: Callable[[Array, np.random.Generator], float]
    best: float

    def rewards(self, encoded: Array) -> Array:
        """Returns the true rewards (N,) of encoded networks."""
        return _rewards(self.space, self.objective, self.accuracy, encoded)

    def regret(self, encoded: Array) -> float:
        """Returns by how many percent the true reward of a network misses the best known."""
        return 100 * (1 - float(self.rewards(encoded[None])[0]) / self.best)


def _rewards(
    space: SearchSpace, objective: Objective, accuracy: Accuracies, encoded: Array
) -> Array:
    macs, _ = space.tables.count(encoded)
    return np.asarray(accuracy(encoded) * objective.factors(macs))


def _macro(folder: Path, target: float) -> Problem:
    import pandas as pd  # noqa: PLC0415 (heavy)

    name = "nas_bench_macro"
    table = read_table(name, folder)
    measured = np.array(pd.read_parquet(folder / f"{name}.parquet")["test_acc"].tolist()) / 100
    places = 3 ** np.arange(table.encoded.shape[1])
    row_of = np.argsort(table.encoded @ places)
    objective = Objective("soft", target)

    def accuracy(encoded: Array) -> Array:
        return np.asarray(table.accuracy[row_of[encoded @ places]])

    def measure(encoded: Array, rng: np.random.Generator) -> float:
        trainings = measured[row_of[encoded @ places]]
        return float(trainings[rng.integers(len(trainings))])

    best = _rewards(table.space, objective, accuracy, table.encoded).max()
    return Problem("macro", table.space, objective, accuracy, measure, float(best))


def _mnas(folder: Path, target: float) -> Problem:
    table = read_table("accel_nasbench", folder)
    space, objective = table.space, Objective("soft", target)
    models = _trees(_features(space, table.encoded), table.accuracy)

    def accuracy(encoded: Array) -> Array:
        features = _features(space, encoded)
        return np.asarray(np.mean([model.predict(features) for model in models], axis=0))

    def measure(encoded: Array, rng: np.random.Generator) -> float:
        return float(accuracy(encoded[None])[0] + NOISE * rng.normal())

    best = _climbed(space, partial(_rewards, space, objective, accuracy))
    return Problem("mnas", space, objective, accuracy, measure, best)


def _features(space: SearchSpace, encoded: Array) -> Array:
    logs = np.log(np.stack(space.tables.count(encoded), axis=1))
    return np.concatenate([encoded, logs], axis=1)


def _trees(features: Array, accuracy: Array) -> list[Any]:
    from sklearn.ensemble import HistGradientBoostingRegressor  # noqa: PLC0415 (heavy)

    models = []
    for seed in range(TREES):
        part = np.random.default_rng(seed).permutation(len(features))[:FITTED_ON]
        model = HistGradientBoostingRegressor(max_iter=400, learning_rate=0.06, random_state=seed)
        models.append(model.fit(features[part], accuracy[part]))
    return models


def _climbed(space: SearchSpace, rewards: Accuracies) -> float:
    """Returns the greatest reward found by climbing over single changes from many starts."""
    starts = space.sample_encoded(np.random.default_rng(0), STARTS)
    return max(_top_of_hill(space, rewards, start) for start in starts)


def _top_of_hill(space: SearchSpace, rewards: Accuracies, start: Array) -> float:
    row, reward = start, -np.inf
    while True:
        around = space.neighbours_encoded(row)
        found = rewards(around)
        if found.max() <= reward:
            return float(reward)
        reward, row = found.max(), around[found.argmax()]


PROBLEMS: Mapping[str, tuple[Callable[[Path, float], Problem], float]] = {
    "macro": (_macro, 40e6),
    "mnas": (_mnas, 300e6),
}


def make_problem(name: str, folder: Path, *, target_macs: float | None = None) -> Problem:
    """Makes a problem from the folder of the tables' Parquet files, with its own target or another.

    Raises `InputError` for an unknown problem and for a missing or wrong file.
    """
    if name not in PROBLEMS:
        raise InputError(f"no problem is called {name!r}; they are {', '.join(PROBLEMS)}")
    make, usual = PROBLEMS[name]
    return make(folder, target_macs or usual)
