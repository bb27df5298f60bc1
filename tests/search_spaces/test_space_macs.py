"""MACs of every space's networks: the tables', the cost model's and fvcore's are one number."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from search_spaces.cost import cost
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace
from search_spaces.space_file import SpaceFile
from search_spaces.space_reading import space_from_toml
from search_spaces.spaces import SPACES, make_space
from search_spaces.spec import ArchSpec

Count = Callable[[ArchSpec], int]
PAGE = Path(__file__).parents[2] / "docs" / "spaces.md"
(EXAMPLE,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
SPACES_AND_EXAMPLE: dict[str, str | SpaceFile] = {
    **{name: name for name in (*SPACES, *MEASURED)},
    "docs/spaces.md": space_from_toml(EXAMPLE, where="docs/spaces.md"),
}


def assert_counted(space: SearchSpace, reference_macs: Count, *, count: int, seed: int) -> None:
    rows = space.sample_encoded(np.random.default_rng(seed), count)
    macs, _ = space.tables.count(rows)
    for spec, counted in zip(space.decode_many(rows), macs.tolist(), strict=True):
        assert counted == cost(spec).macs == reference_macs(spec)


@pytest.mark.parametrize("name", SPACES_AND_EXAMPLE)
def test_macs_of_a_few_are_those_of_fvcore(name: str, reference_macs: Count) -> None:
    space = make_space(SPACES_AND_EXAMPLE[name], image_size=16, num_classes=10, resolution=16)
    assert_counted(space, reference_macs, count=6, seed=0)


@pytest.mark.parametrize("name", ["mbconv", "mixed"])
def test_macs_are_those_of_fvcore_at_full_size(name: str, reference_macs: Count) -> None:
    space = make_space(name, image_size=224, num_classes=1000)
    assert space.skeleton.name == "large"
    assert_counted(space, reference_macs, count=1, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPACES_AND_EXAMPLE)
def test_macs_of_a_thousand_are_those_of_fvcore(name: str, reference_macs: Count) -> None:
    space = make_space(SPACES_AND_EXAMPLE[name], image_size=16, num_classes=10, resolution=16)
    assert_counted(space, reference_macs, count=1000, seed=2)
