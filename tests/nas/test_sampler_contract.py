"""Optuna's own contract tests, for each of our samplers."""

from collections.abc import Callable

import pytest
from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import (
    BasicSamplerTestCase,
    MultiObjectiveSamplerTestCase,
    RelativeSamplerTestCase,
)

from nas.samplers.evolution import ChangingSampler, evolution, local_search
from nas.samplers.front import FrontSampler
from nas.samplers.greybox import GreyBoxSampler
from nas.samplers.ppo import PPOSampler
from tests.nas.test_front import KNOWN

Make = Callable[[], BaseSampler]
SAMPLERS: dict[str, Make] = {
    "greybox": lambda: GreyBoxSampler(seed=0, startup=3),
    "evolution": lambda: ChangingSampler(evolution, seed=0),
    "ppo": lambda: PPOSampler(seed=0),
    "local": lambda: ChangingSampler(local_search, seed=0),
}


class Ours:
    """Gives each test of a suite every sampler."""

    @pytest.fixture(params=list(SAMPLERS.values()), ids=list(SAMPLERS))
    def sampler(self, request: pytest.FixtureRequest) -> Make:
        """Returns the function that makes the sampler under test."""
        make: Make = request.param
        return make


class TestBasic(Ours, BasicSamplerTestCase):
    """Suggests what the distributions allow."""


class TestRelative(Ours, RelativeSamplerTestCase):
    """Suggests all parameters of a trial together."""


class TestFront(MultiObjectiveSamplerTestCase):
    """Leaves studies of other objectives than a front's to Optuna's."""

    @pytest.fixture
    def sampler(self) -> Make:
        """Returns the function that makes the sampler under test."""
        return lambda: FrontSampler(seed=0, known=KNOWN)


class TestSeveralObjectives(Ours, MultiObjectiveSamplerTestCase):
    """Takes studies of several objectives."""
