import importlib
import importlib.util
import os
import warnings
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch
from hypothesis import settings

from search_spaces.network import build
from search_spaces.spec import ArchSpec
from search_spaces.timm_models import load_timm

# Shared machines are slow at times, and a run that passed must pass again.
settings.register_profile("steady", deadline=None, derandomize=True, max_examples=30)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


@pytest.fixture(scope="session")
def references() -> SimpleNamespace:
    """Gives `torchvision` and `timm`; skips where they are not installed."""
    for name in ("torchvision", "timm"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    timm = load_timm()
    return SimpleNamespace(torchvision=importlib.import_module("torchvision"), timm=timm)


@pytest.fixture(scope="session")
def reference_macs() -> Callable[[ArchSpec], int]:
    """Counts convolutions and linear layers of the built network with fvcore."""
    with warnings.catch_warnings():  # fvcore calls torch.jit.script while it is imported
        warnings.simplefilter("ignore", DeprecationWarning)
        from fvcore.nn import FlopCountAnalysis

    def count(spec: ArchSpec) -> int:
        image = torch.zeros(1, spec.in_ch, spec.resolution, spec.resolution)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # and torch.jit.trace in use
            analysis = FlopCountAnalysis(build(spec).eval(), image)
            analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
            by_operator = analysis.by_operator()
        return int(by_operator["conv"] + by_operator["linear"])

    return count
