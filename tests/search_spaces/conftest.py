import os
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import settings

from experiments.counting import count_with_fvcore, network_of_zeros
from search_spaces.errors import InputError
from search_spaces.libraries import import_library
from search_spaces.spec import ArchSpec

# Shared machines are slow at times, and a run that passed must pass again.
settings.register_profile("steady", deadline=None, derandomize=True, max_examples=30)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(scope="session")
def references() -> SimpleNamespace:
    """Gives `torchvision` and `timm`; skips where they are not installed."""
    try:
        libraries = {name: import_library(name) for name in ("torchvision", "timm")}
    except InputError as missing:
        pytest.skip(str(missing))
    return SimpleNamespace(**libraries)


@pytest.fixture(scope="session")
def reference_macs() -> Callable[[ArchSpec], int]:
    """Counts convolutions and linear layers of the built network with fvcore."""

    def count(spec: ArchSpec) -> int:
        image = torch.zeros(1, spec.in_ch, spec.resolution, spec.resolution)
        return count_with_fvcore(network_of_zeros(spec), image).macs

    return count
