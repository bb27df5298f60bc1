"""Encoded architectures, counted thousands at once."""

import numpy as np
import pytest

from search_spaces.cost import cost
from search_spaces.measured import MEASURED
from search_spaces.spaces import SPACES, make_space


@pytest.mark.parametrize("name", [*SPACES, *MEASURED])
def test_tables_count_as_cost_does(name: str) -> None:
    space = make_space(name, image_size=28, num_classes=10, resolution=29)
    encoded = space.sample_encoded(np.random.default_rng(0), 300)
    macs, params = space.tables.count(encoded)
    for row, ours in zip(encoded, zip(macs, params, strict=True), strict=True):
        counted = cost(space.decode(space.values(row)))
        assert (counted.macs, counted.params) == ours


def test_a_hundred_thousand_are_counted_at_once() -> None:
    space = MEASURED["accel_nasbench"].make()
    encoded = space.sample_encoded(np.random.default_rng(0), 100_000)
    macs, params = space.tables.count(encoded)  # the tables are made here
    assert macs.dtype == params.dtype == np.int64
    low, high = space.macs_range
    assert low <= macs.min() <= macs.max() <= high
    assert len(np.unique(macs)) > 50_000


def test_encoded_samples_are_uniform_and_follow_their_generator() -> None:
    space = make_space("mixed", image_size=8, num_classes=10)
    draws = [space.sample_encoded(np.random.default_rng(seed), 3000) for seed in (1, 1, 2)]
    assert (draws[0] == draws[1]).all()
    assert (draws[0] != draws[2]).any()
    for column, choice in enumerate(space.choices):
        counts = np.bincount(draws[0][:, column], minlength=len(choice.options))
        expected = 3000 / len(choice.options)
        assert np.abs(counts - expected).max() < 5 * expected**0.5
