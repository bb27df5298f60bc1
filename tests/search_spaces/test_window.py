"""Sampling inside a window of MACs: exact bounds, equal chances, needles found."""

import numpy as np
import pytest

from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space


def everything(space: SearchSpace) -> np.ndarray:
    sizes = [len(choice.options) for choice in space.choices]
    return np.array(list(np.ndindex(*sizes)))


def test_every_network_of_a_window_is_as_likely() -> None:
    space = MEASURED["nas_bench_macro"].make()
    encoded = everything(space)
    macs, _ = space.tables.count(encoded)
    low, high = 40e6, 41e6
    inside = {tuple(row) for row in encoded[(macs >= low) & (macs <= high)].tolist()}
    count = 40 * len(inside)
    drawn = space.window(low, high).sample(np.random.default_rng(0), count)
    rows, times = np.unique(drawn, axis=0, return_counts=True)
    assert {tuple(row) for row in rows.tolist()} == inside
    assert drawn.shape == (count, len(space.choices))
    chi_square = ((times - 40) ** 2 / 40).sum()
    assert abs(chi_square - len(inside)) < 5 * (2 * len(inside)) ** 0.5


@pytest.mark.parametrize("name", ["mbconv", "fused", "mixed", "accel_nasbench"])
def test_a_window_holds_what_is_drawn_from_it(name: str) -> None:
    space = make_space(name, image_size=32, num_classes=10)
    low, high = space.macs_range
    middle = (low + high) / 3
    drawn = space.window(middle, middle * 1.02).sample(np.random.default_rng(0), 500)
    macs, _ = space.tables.count(drawn)
    assert middle <= macs.min() <= macs.max() <= middle * 1.02


@pytest.mark.parametrize("where", ["tail", "middle"])
def test_one_network_in_a_million_is_found(where: str) -> None:
    space = MEASURED["accel_nasbench"].make()
    rng = np.random.default_rng(0)
    some = np.sort(space.tables.count(space.sample_encoded(rng, 1_000_000))[0])
    low, high = (0, some[0]) if where == "tail" else (some[500_000], some[500_001])
    window = space.window(low, high)
    drawn = window.sample(rng, 5000)
    macs, _ = space.tables.count(drawn)
    assert low <= macs.min() <= macs.max() <= high


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1e12, 2e12), (3e8, 2e8)])
def test_an_empty_window_is_refused(low: float, high: float) -> None:
    space = MEASURED["accel_nasbench"].make()
    with pytest.raises(InputError, match="no network of space 'accel_nasbench'") as error:
        space.window(low, high)
    assert "\n" not in str(error.value)


def test_none_may_be_drawn() -> None:
    space = MEASURED["nas_bench_macro"].make()
    assert space.window(0, 1e9).sample(np.random.default_rng(0), 0).shape == (0, 8)
