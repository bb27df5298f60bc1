from collections.abc import Iterator

import pytest

from experiments.parallel import Placement
from experiments.parallel.cluster import connect, disconnecting


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """Starts Ray once for all tests: that takes seconds."""
    with disconnecting():
        connect()
        yield


@pytest.fixture
def two(ray_here: None) -> Placement:
    """Trains on two workers."""
    return Placement(2, None, cpus=1, gpus=0, retries=2, grace=1.0)
