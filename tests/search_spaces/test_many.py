"""Whole arrays of architectures, encoded and decoded at once, held to one at a time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from search_spaces.space import SearchSpace
from search_spaces.spaces import SPACES, make_space

NAMES = [*SPACES, *MEASURED]


def space(name: str) -> SearchSpace:
    return make_space(name, image_size=8, num_classes=10)


@given(name=st.sampled_from(NAMES), seed=st.integers(0, 2**32), count=st.integers(0, 20))
def test_many_are_as_one_at_a_time(name: str, seed: int, count: int) -> None:
    drawn = space(name)
    rows = drawn.sample_encoded(np.random.default_rng(seed), count)
    values = drawn.values_many(rows)
    assert values == [drawn.values(row) for row in rows]
    assert drawn.decode_many(rows) == [drawn.decode(each) for each in values]
    again = drawn.encode_many(values)
    assert again.dtype == np.int64
    assert np.array_equal(again, rows)
    assert again.shape == (count, len(drawn.choices))


@pytest.mark.parametrize("name", NAMES)
def test_encoded_neighbours_are_the_neighbours(name: str) -> None:
    drawn = space(name)
    row = drawn.sample_encoded(np.random.default_rng(0), 1)[0]
    found = drawn.neighbours_encoded(row)
    expected = list(drawn.neighbours(drawn.values(row)))
    assert drawn.values_many(found) == expected
    assert ((found != row).sum(axis=1) == 1).all()


def test_choices_that_the_space_does_not_offer_are_refused() -> None:
    drawn = space("mixed")
    good = drawn.values_many(drawn.sample_encoded(np.random.default_rng(0), 2))
    for change, message in (
        ({"stage2.kernel": 4}, "stage2.kernel is 4; it must be one of 3, 5"),
        ({"stage2.kernal": 3}, "no choice 'stage2.kernal'; did you mean stage2.kernel?"),
    ):
        with pytest.raises(InputError) as refused:
            drawn.encode_many([good[0], {**good[1], **change}])
        assert message in str(refused.value)
    with pytest.raises(InputError, match=r"stage1\.kind is not chosen"):
        drawn.encode_many([good[0], {n: v for n, v in good[1].items() if n != "stage1.kind"}])


@pytest.mark.parametrize("option", [-1, 2])
def test_rows_that_encode_nothing_are_refused(option: int) -> None:
    drawn = space("mixed")
    rows = drawn.sample_encoded(np.random.default_rng(0), 3)
    rows[1, 0] = option
    for read in (drawn.decode_many, drawn.values_many, drawn.canonical):
        with pytest.raises(InputError) as refused:
            read(rows)
        assert f"row 1 has option {option} of stage1.kind; it must be from 0 to 1" in str(
            refused.value
        )
        with pytest.raises(InputError, match=r"an encoding is \(N, 24\), not \(3, 23\)"):
            read(rows[:, 1:])
