"""What one table of measured networks says of another space: a prior for the grey-box sampler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.optimize import nnls

from experiments.measured_tables import MeasuredTable, read_table
from experiments.studies.tables import Problem, known_of
from experiments.studies.traits import Traits
from nas.samplers.greybox import GreyBoxSampler
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace

__all__ = ["make_sampler", "transferred"]

Array = np.ndarray
Accuracies = Callable[[Array], Array]
PENALTY = 1.0  # of thousands of networks: next to none
BLOCK = {"kernel": "k", "expand": "e", "se": "se", "layers": "l"}  # ours: the problem's


@dataclass(frozen=True, slots=True)
class _Pair:
    """Names a problem's own measured space, the other one, and how the problem names a choice."""

    own: str
    other: str
    column: Callable[[int, str], str]


def _layer(number: int, name: str) -> str:
    return f"layer{number}"


def _block(number: int, name: str) -> str:
    stage, _, what = name.partition(".")
    return f"block{int(stage.removeprefix('stage')) - 1}_{BLOCK[what]}"


PAIRS: Mapping[str, _Pair] = {
    "macro": _Pair("nas_bench_macro", "accel_nasbench", _layer),
    "mnas": _Pair("accel_nasbench", "nas_bench_macro", _block),
}


def transferred(table: MeasuredTable, space: SearchSpace) -> Accuracies:
    """Returns what maps encoded networks of `space` to the accuracies that `table` lets expect.

    A ridge regression of accuracy on the traits of networks, fitted to all of the table's. No
    weight is negative: having more of something is not taken to hurt. Otherwise traits that go
    together in one space get large weights of opposite signs, which say nothing of another space
    and drown the rest. The accuracies are those of the table's data set: of another, only their
    differences mean anything.
    """
    known, traits = Traits(table.space)(table.encoded), Traits(space)
    columns, middle = known - known.mean(axis=0), table.accuracy.mean()
    count = columns.shape[1]
    penalised = np.concatenate([columns, PENALTY**0.5 * np.eye(count)])
    weights, _ = nnls(penalised, np.concatenate([table.accuracy - middle, np.zeros(count)]))
    base = middle - known.mean(axis=0) @ weights
    return lambda encoded: np.asarray(base + traits(encoded) @ weights)


def _order(problem: Problem, space: SearchSpace, column: Callable[[int, str], str]) -> Array:
    """Returns which of the problem's columns each of the space's choices is."""
    names, choices = list(problem.choices), space.choices
    own = [column(number, choice.name) for number, choice in enumerate(choices)]
    sizes = {name: len(choice.options) for name, choice in zip(own, choices, strict=True)}
    if sizes != {name: len(options) for name, options in problem.choices.items()}:
        raise InputError(f"the problem's choices are not those of space {space.name}")
    return np.array([names.index(name) for name in own])


@lru_cache(maxsize=4)
def _expected(name: str, folder: Path) -> Accuracies:
    pair = PAIRS[name]
    return transferred(read_table(pair.other, folder), MEASURED[pair.own].make())


def make_sampler(problem: Problem, seed: int) -> GreyBoxSampler:
    """Returns the sampler for the problem `macro` or `mnas`, with the other's table as its prior.

    The tables are looked for beside the module that the problem comes from. Raises `InputError`
    for another problem, or where the tables are not there.
    """
    name = str(getattr(problem, "name", ""))
    if name not in PAIRS:
        raise InputError(f"no table tells of problem {name!r}; it must be {' or '.join(PAIRS)}")
    pair, folder = PAIRS[name], Path(inspect.getfile(type(problem))).parent
    order = _order(problem, MEASURED[pair.own].make(), pair.column)
    expected = _expected(name, folder)

    def prior(rows: Array) -> Array:
        return expected(rows[:, order].astype(np.int64))

    return GreyBoxSampler(seed=seed, known=known_of(problem), prior=prior)
