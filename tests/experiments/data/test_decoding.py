"""Which error is told when several things are wrong, whatever the threads do first."""

from collections.abc import Mapping

import numpy as np
import pytest

from experiments.data.pool import Pool
from experiments.data.storage import KEEPS, Keep, hold
from tests.experiments.data.helpers import MadeReader, encode, error_of, noise


def make_pool(count: int, special: Mapping[int, bytes | None]) -> Pool:
    labels = np.arange(count, dtype=np.int64) % 2
    return Pool("made", np.zeros(count, np.int8), labels, ("a", "b"), MadeReader(special))


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
@pytest.mark.parametrize("keep", KEEPS)
def test_the_first_failure_is_told(
    special: dict[int, bytes | None], first: int, image_size: int | None, keep: Keep
) -> None:
    pool = make_pool(800, special)
    message = error_of(lambda: hold(pool, np.arange(800), image_size, keep=keep))
    assert message.startswith(f"item {first}: ")


def test_more_chunks_than_are_held_at_once() -> None:
    other = encode(noise(1, (100, 100)))
    done = hold(make_pool(1200, {1100: other}), np.arange(1200), 100)
    images = np.asarray(done.images)
    changed = (images != images[0]).any(axis=(1, 2, 3))
    assert np.flatnonzero(changed).tolist() == [1100]
    assert done.digests.shape == (1200, 32)
    assert len({digest.tobytes() for digest in done.digests}) == 2
