import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import torch
from hypothesis import settings

from experiments.counting import count_with_fvcore, network_of_zeros
from search_spaces.spec import ArchSpec

# Shared machines are slow at times, and a run that passed must pass again.
settings.register_profile("steady", deadline=None, derandomize=True, max_examples=30)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))


# Operators that torchvision's Python needs declared where its compiled half is missing, as it is
# beside a CPU build of torch.
TORCHVISION_OPERATORS = ("nms", "qnms")


def _declare_operators() -> torch.library.Library | None:
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    if "torchvision" in sys.modules or hasattr(torch.ops.torchvision, "nms"):
        return None
    library = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in TORCHVISION_OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")  # type: ignore[no-untyped-call]
    return library


@pytest.fixture(scope="session")
def references() -> Iterator[SimpleNamespace]:
    """Gives `torchvision` and `timm`; skips where they are not installed."""
    library = _declare_operators()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torchvision = pytest.importorskip("torchvision")
        timm = pytest.importorskip("timm")
    yield SimpleNamespace(torchvision=torchvision, timm=timm)
    del library  # held until here: its operators go with it


@pytest.fixture(scope="session")
def reference_macs() -> Callable[[ArchSpec], int]:
    """Counts convolutions and linear layers of the built network with fvcore."""

    def count(spec: ArchSpec) -> int:
        image = torch.zeros(1, spec.in_ch, spec.resolution, spec.resolution)
        return count_with_fvcore(network_of_zeros(spec), image).macs

    return count
