"""Sampling inside a window of MACs: exact bounds, equal chances, needles found."""

from dataclasses import replace

import numpy as np
import pytest

import search_spaces.middle
import search_spaces.window
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space
from search_spaces.stage_options import StageOptions


def everything(space: SearchSpace) -> np.ndarray:
    sizes = [len(choice.options) for choice in space.choices]
    return np.array(list(np.ndindex(*sizes)))


def factorised() -> SearchSpace:
    """Returns MnasNet's choices for three stages: many of them cost the same."""
    space = make_space("mbconv", image_size=8, num_classes=10)
    options = StageOptions(
        ("conv", "mbconv"), (3, 5), (3,), (0, 0.25), (0, 1), (0.75, 1.25), ("pooled", "none")
    )
    skeleton = replace(space.skeleton, stages=space.skeleton.stages[:3])
    return SearchSpace("factorised", skeleton, (options,) * 3)


def around(space: SearchSpace) -> tuple[float, float]:
    """Returns a window of a few hundred encodings, a third of the way up."""
    least, most = space.macs_range
    low = least + 0.35 * (most - least)
    return low, low + most * 200 / space.size


SMALL = {"nas_bench_macro": MEASURED["nas_bench_macro"].make, "factorised": factorised}


def assert_uniform(space: SearchSpace, low: float, high: float) -> None:
    """Draws 40 for each that brute force finds in the window, and compares how often they came."""
    encoded = everything(space)
    macs, _ = space.tables.count(encoded)
    inside = {tuple(row) for row in encoded[(macs >= low) & (macs <= high)].tolist()}
    count = 40 * len(inside)
    drawn = space.window(low, high).sample(np.random.default_rng(0), count)
    rows, times = np.unique(drawn, axis=0, return_counts=True)
    assert {tuple(row) for row in rows.tolist()} == inside
    assert len(inside) > 100
    assert drawn.shape == (count, len(space.choices))
    chi_square = ((times - 40) ** 2 / 40).sum()
    assert abs(chi_square - len(inside)) < 5 * (2 * len(inside)) ** 0.5


@pytest.mark.parametrize("name", SMALL)
def test_every_network_of_a_window_is_as_likely(name: str) -> None:
    space = SMALL[name]()
    assert_uniform(space, *around(space))


@pytest.mark.parametrize("bins", [60, 2**17])
@pytest.mark.parametrize("name", SMALL)
def test_it_is_so_where_the_lists_do_not_meet(
    name: str, bins: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_spaces.window, "MOST_IN_HEAD", 20)
    monkeypatch.setattr(search_spaces.window, "MOST_IN_TAIL", 20)
    monkeypatch.setattr(search_spaces.middle, "MOST_BINS", bins)
    space = SMALL[name]()
    assert space.window(*around(space)).middle
    assert_uniform(space, *around(space))


@pytest.mark.parametrize("name", SMALL)
def test_a_window_of_a_single_sum_holds_all_networks_of_it(name: str) -> None:
    space = SMALL[name]()
    encoded = everything(space)
    macs, _ = space.tables.count(encoded)
    sums, times = np.unique(macs, return_counts=True)
    rare = sums[times == times.min()]
    for one in (sums[0], rare[len(rare) // 2], sums[-1]):
        drawn = space.window(one, one).sample(np.random.default_rng(0), 300)
        expected = encoded[macs == one]
        assert np.array_equal(np.unique(drawn, axis=0), expected)


def test_no_bound_is_below_what_it_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search_spaces.window, "MOST_IN_HEAD", 600)
    monkeypatch.setattr(search_spaces.window, "MOST_IN_TAIL", 600)
    space = make_space("mixed", image_size=32, num_classes=10)
    middle = sum(space.macs_range) // 3
    for high in (middle, middle + 1000, 2 * middle):
        window = space.window(middle, high)
        assert window.between is not None
        assert len(window.middle) > 1
        head = window.heads[-1]
        reached = np.flatnonzero(np.diff(window.steps, prepend=0))
        path = window.between.draw(
            np.random.default_rng(0), head.macs[reached], head.width[reached]
        )
        ways, _ = window.completions(path.macs, path.width)
        assert (ways <= path.bound).all()


@pytest.mark.parametrize("name", ["mbconv", "fused", "mixed", "accel_nasbench"])
def test_a_window_holds_what_is_drawn_from_it(name: str) -> None:
    space = make_space(name, image_size=32, num_classes=10)
    low, high = space.macs_range
    middle = (low + high) / 3
    drawn = space.window(middle, middle * 1.02).sample(np.random.default_rng(0), 500)
    macs, _ = space.tables.count(drawn)
    assert middle <= macs.min() <= macs.max() <= middle * 1.02


@pytest.mark.parametrize("where", ["tail", "middle"])
@pytest.mark.parametrize("name", ["accel_nasbench", "mbconv"])
def test_one_network_in_a_million_is_found(name: str, where: str) -> None:
    space = make_space(name, image_size=224, num_classes=10)
    rng = np.random.default_rng(0)
    some = np.sort(space.tables.count(space.sample_encoded(rng, 100_000))[0])
    low, high = some[50_000], some[50_000] + (some[50_010] - some[49_990]) // 200
    if where == "tail":
        low, high = 0, some[0]
    window = space.window(low, high)
    drawn = window.sample(rng, 5000)
    macs, _ = space.tables.count(drawn)
    assert low <= macs.min() <= macs.max() <= high


def test_the_cheapest_and_the_dearest_of_a_huge_space_are_found() -> None:
    space = make_space("mbconv", image_size=224, num_classes=10)
    for end in space.macs_range:
        drawn = space.window(end, end).sample(np.random.default_rng(0), 100)
        assert (space.tables.count(drawn)[0] == end).all()


def test_a_gap_between_two_sums_is_refused() -> None:
    space = make_space("fused", image_size=8, num_classes=10)
    ((one,), _) = space.tables.count(space.sample_encoded(np.random.default_rng(0), 1))
    space.window(one, one)
    with pytest.raises(InputError, match="no network of space 'fused' was found"):
        space.window(one + 1, one + 1)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (1e12, 2e12), (3e8, 2e8)])
def test_an_empty_window_is_refused(low: float, high: float) -> None:
    space = MEASURED["accel_nasbench"].make()
    with pytest.raises(InputError, match="no network of space 'accel_nasbench'") as error:
        space.window(low, high)
    assert "\n" not in str(error.value)


def test_none_may_be_drawn() -> None:
    space = MEASURED["nas_bench_macro"].make()
    assert space.window(0, 1e9).sample(np.random.default_rng(0), 0).shape == (0, 8)
