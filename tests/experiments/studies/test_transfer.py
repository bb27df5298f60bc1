"""What a table of measured networks lets expect of another space's."""

import importlib.util
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments.measured_tables import MeasuredTable
from experiments.studies.traits import TRAITS, Traits
from experiments.studies.transfer import make_sampler, transferred
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from tests.experiments.studies.test_regret import BENCHMARKS, needs_tables

MACRO, MNAS = (MEASURED[name].make() for name in ("nas_bench_macro", "accel_nasbench"))


def test_traits_are_those_of_the_specs() -> None:
    encoded = MNAS.sample_encoded(np.random.default_rng(1), 5)
    found = Traits(MNAS).sums(encoded)
    for row, spec in zip(found, MNAS.decode_many(encoded), strict=True):
        blocks = [stage for stage in spec.stages for _ in range(stage.repeats)]
        assert row[0] == len(blocks)
        assert row[1] == sum(block.kernel for block in blocks)
        assert row[2] == pytest.approx(sum(np.log2(block.expand) for block in blocks))
        assert row[3] == sum(block.se_ratio > 0 for block in blocks)


def test_traits_are_in_deviations_of_random_networks() -> None:
    for space in (MACRO, MNAS):
        traits = Traits(space)(space.sample_encoded(np.random.default_rng(3), 3000))
        assert traits.shape == (3000, len(TRAITS))
        assert np.abs(traits.mean(axis=0)).max() < 0.1
        spread = traits.std(axis=0)
        assert ((np.abs(spread - 1) < 0.1) | (spread == 0)).all()
    same = [name for name, found in zip(TRAITS, Traits(MACRO)(np.eye(8, dtype=int)).T, strict=True)
            if not found.any()]  # fmt: skip
    assert same == ["squeeze-excite"], "no network of that space has any"


def test_what_holds_in_one_space_is_expected_in_another() -> None:
    encoded = MACRO.sample_encoded(np.random.default_rng(0), 400)
    table = MeasuredTable(MACRO, encoded, 0.9 + 0.01 * Traits(MACRO)(encoded)[:, 0])
    others = MNAS.sample_encoded(np.random.default_rng(1), 200)
    expected = transferred(table, MNAS)(others)
    assert np.corrcoef(expected, Traits(MNAS)(others)[:, 0])[0, 1] > 0.99
    assert abs(expected.mean() - 0.9) < 0.005
    assert not len(transferred(table, MNAS)(others[:0])), "before the first trial"


def test_a_problem_that_no_table_tells_of_is_refused() -> None:
    unknown: Any = SimpleNamespace(name="else", choices={}, target=1.0, exponent=-0.07)
    with pytest.raises(InputError, match="no table tells of problem 'else'; it must be macro or"):
        make_sampler(unknown, 0)
    other: Any = SimpleNamespace(name="macro", choices={"a": (0, 1)}, target=1.0, exponent=-0.07)
    with pytest.raises(InputError, match="not those of space nas_bench_macro"):
        make_sampler(other, 0)


@needs_tables
@pytest.mark.parametrize("name", ["Macro", "Mnas"])
def test_the_ruler_can_run_it(name: str) -> None:
    given = importlib.util.spec_from_file_location("problems", BENCHMARKS / "problems.py")
    assert given is not None
    assert given.loader is not None
    module = importlib.util.module_from_spec(given)
    sys.modules["problems"] = module
    given.loader.exec_module(module)
    kind = getattr(module, name)
    problem = kind.__new__(kind)  # its own fit takes seconds, and nothing here needs it
    problem.name, problem.target, problem.exponent = name.lower(), 40e6, -0.07
    space = MACRO if name == "Macro" else MNAS
    if name == "Macro":
        problem.choices = {f"layer{i}": [0, 1, 2] for i in range(8)}
    else:
        options = {"e": [1, 4, 6], "k": [3, 5], "l": [1, 2, 3], "se": [0, 1]}
        problem.choices = {f"block{b}_{n}": o for b in range(7) for n, o in options.items()}
        problem.choices["block5_l"] = [1, 2, 3, 4]
    kind.cost = lambda self, params: 1e6 + sum(map(float, params.values()))
    sampler = make_sampler(problem, 0)
    rows = np.zeros((2, len(space.choices)))
    rows[1] = [len(options) - 1 for options in problem.choices.values()]
    expected = sampler._prior(rows)  # type: ignore[misc]
    assert expected[1] > expected[0], "the largest network promises more than the smallest"
