from dataclasses import replace

import numpy as np
import pytest

from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.measured import MEASURED
from search_spaces.membership import encode_spec
from search_spaces.spaces import make_space


def test_choices_are_found_again() -> None:
    space = MEASURED["accel_nasbench"].make()
    encoded = space.sample_encoded(np.random.default_rng(0), 20)
    for row, spec in zip(encoded, space.decode_many(encoded), strict=True):
        found = encode_spec(space, spec)
        assert found is not None
        np.testing.assert_array_equal(found, row)


def test_efficientnet_b0_is_one_of_accel_nasbench() -> None:
    space = MEASURED["accel_nasbench"].make()
    spec = catalog_spec("efficientnet_b0")
    found = encode_spec(space, spec)
    assert found is not None
    assert cost(space.decode(space.values(found))).params == cost(spec).params == 5_288_548


@pytest.mark.parametrize("name", ["mnasnet_a1", "mnasnet_b1", "efficientnet_b1", "mobilenetv2"])
def test_others_are_not(name: str) -> None:
    assert encode_spec(MEASURED["accel_nasbench"].make(), catalog_spec(name)) is None


def test_the_shell_counts_too() -> None:
    space = make_space("mixed", image_size=32, num_classes=10)
    spec = space.decode(space.sample(np.random.default_rng(0)))
    assert encode_spec(space, replace(spec, dropout=0.5, name="other")) is not None
    for change in ({"num_classes": 9}, {"resolution": 24}, {"act": "relu"}, {"stem_ch": 24}):
        assert encode_spec(space, replace(spec, **change)) is None
