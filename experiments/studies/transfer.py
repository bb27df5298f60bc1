"""What one table of measured networks says of another space: a prior for the grey-box sampler."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from experiments.measured_tables import MeasuredTable, read_table
from experiments.studies.tables import Problem, known_of
from experiments.studies.traits import Traits
from nas.samplers.greybox import GreyBoxSampler
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace

__all__ = ["OTHER", "in_columns", "make_sampler", "transferred"]

Array = np.ndarray
Accuracies = Callable[[Array], Array]
OTHER: Mapping[str, tuple[str, str]] = {
    "macro": ("nas_bench_macro", "accel_nasbench"),
    "mnas": ("accel_nasbench", "nas_bench_macro"),
}
ALPHAS = tuple(10.0**power for power in range(-2, 6))
COLUMNS = {"kernel": "k", "expand": "e", "se": "se", "layers": "l"}  # of problem `mnas`: ours


def transferred(table: MeasuredTable, space: SearchSpace) -> Accuracies:
    """Returns what maps encoded networks of `space` to the accuracies that `table` lets expect.

    A ridge regression of accuracy on the traits of networks, fitted to all of the table's; its
    penalty is chosen by their own held-out errors. The accuracies are those of the table's data
    set: of another, only their differences mean anything. Traits enter as they are: products of
    them, fitted in one space, run off to accuracies below 0 in another.
    """
    from sklearn.linear_model import RidgeCV  # noqa: PLC0415 (heavy)

    model = RidgeCV(alphas=ALPHAS)
    model.fit(Traits(table.space)(table.encoded), table.accuracy)
    traits = Traits(space)

    def accuracies(encoded: Array) -> Array:
        return np.asarray(model.predict(traits(encoded.astype(np.int64))))

    return accuracies


def in_columns(problem: Problem, space: SearchSpace) -> Callable[[Array], Array]:
    """Returns what turns rows of indices in a problem's columns into a space's encoding.

    Raises `InputError` where the problem's columns are not the space's choices.
    """
    names = list(problem.choices)
    own = [_column(choice.name) if "layer0" not in names else "" for choice in space.choices]
    if "layer0" in names:
        own = [f"layer{number}" for number in range(len(space.choices))]
    sizes = [len(choice.options) for choice in space.choices]
    if sorted(own) != sorted(names) or sizes != [len(problem.choices[name]) for name in own]:
        raise InputError(f"the problem's choices are not those of space {space.name}")
    order = np.array([names.index(name) for name in own])
    return lambda rows: np.asarray(rows)[:, order].astype(np.int64)


def _column(name: str) -> str:
    stage, _, what = name.partition(".")
    return f"block{int(stage.removeprefix('stage')) - 1}_{COLUMNS.get(what, what)}"


@lru_cache(maxsize=4)
def _expected(name: str, folder: Path) -> Accuracies:
    own, other = OTHER[name]
    return transferred(read_table(other, folder), MEASURED[own].make())


def make_sampler(problem: Problem, seed: int) -> GreyBoxSampler:
    """Returns the sampler for the problem `macro` or `mnas`, with the other's table as its prior.

    The tables are looked for beside the module that the problem comes from.
    """
    name = str(getattr(problem, "name", ""))
    if name not in OTHER:
        raise InputError(f"no table tells of problem {name!r}; it must be {' or '.join(OTHER)}")
    folder = Path(inspect.getfile(type(problem))).parent
    encoded = in_columns(problem, MEASURED[OTHER[name][0]].make())
    expected = _expected(name, folder)
    prior = _composed(expected, encoded)
    return GreyBoxSampler(seed=seed, known=known_of(problem), prior=prior)


def _composed(expected: Accuracies, encoded: Callable[[Array], Array]) -> Accuracies:
    return lambda rows: expected(encoded(rows))
