import os

import pytest
from hypothesis import settings

from scaling.fit import fit_macs
from search_spaces.catalog import catalog_spec
from search_spaces.spec import ArchSpec

# Shared machines are slow at times, and a run that passed must pass again.
settings.register_profile("steady", deadline=None, derandomize=True, max_examples=30)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(scope="session")
def b0() -> ArchSpec:
    return catalog_spec("efficientnet_b0")


@pytest.fixture(scope="session")
def small() -> ArchSpec:
    """Gives a base of 2M MACs at 16×16, where rounding is at its coarsest."""
    base = catalog_spec("mobilenetv2")
    return fit_macs(base, 2e6, resolution=16, num_classes=10, max_stride=4)
