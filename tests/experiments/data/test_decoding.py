"""Which error is told when several things are wrong, whatever the threads do first."""

from collections.abc import Iterator, Mapping

import numpy as np
import pytest

from experiments.data.decoding import decode_pool
from experiments.data.image_data import IndexArray
from experiments.data.pool import Payload, Pool
from search_spaces.errors import InputError
from tests.experiments.data.helpers import encode, error_of, noise

GOOD = encode(noise(0, (100, 100)))  # large enough to be decoded in threads


def make_pool(count: int, special: Mapping[int, bytes | None]) -> Pool:
    """Returns a pool whose `special` items are other bytes, or cannot be fetched when None."""

    def stream(chosen: IndexArray) -> Iterator[Payload]:
        for item in chosen.tolist():
            payload = special.get(item, GOOD)
            if payload is None:
                raise InputError(f"item {item}: cannot be fetched")
            yield payload

    labels = np.arange(count, dtype=np.int64) % 2
    return Pool(
        "made", np.zeros(count, np.int8), labels, ("a", "b"), stream, lambda item: f"item {item}"
    )


@pytest.mark.parametrize(
    ("special", "first"),
    [
        ({150: b"bad", 700: b"bad"}, 150),
        ({40: b"bad", 100: None}, 40),
        ({100: None, 140: b"bad"}, 100),
        ({0: b"bad", 1: b"bad"}, 0),
    ],
)
@pytest.mark.parametrize("image_size", [None, 16])
def test_the_first_failure_is_told(
    special: dict[int, bytes | None], first: int, image_size: int | None
) -> None:
    pool = make_pool(800, special)
    message = error_of(lambda: decode_pool(pool, np.arange(800), image_size))
    assert message.startswith(f"item {first}: ")


def test_more_chunks_than_are_held_at_once() -> None:
    other = encode(noise(1, (100, 100)))
    done = decode_pool(make_pool(1200, {1100: other}), np.arange(1200), 100)
    changed = (done.images != done.images[0]).any(axis=(1, 2, 3))
    assert np.flatnonzero(changed).tolist() == [1100]
    assert len(done.digests) == 1200
    assert len(set(done.digests)) == 2
