"""Trainings through compiled kernels: the same but for rounding."""

import shutil

import pytest
import torch

from experiments.data import ImageData
from experiments.device import Device
from experiments.recipes import load_recipe
from experiments.train import train
from search_spaces.spec import ArchSpec

pytestmark = pytest.mark.skipif(shutil.which("c++") is None, reason="no C++ compiler here")
SHORT = {"epochs": 1, "patience": 0, "lr": 0.01, "batch_size": 48}


def test_a_compiled_training_is_the_same_but_for_rounding(
    tiny: ArchSpec, digits: ImageData, cpu: Device
) -> None:
    eager, compiled, again = (
        train(tiny, digits, load_recipe("fast", {**SHORT, "compile": on}), seed=0, device=cpu)
        for on in (False, True, True)
    )
    one, two = eager.network.state_dict(), compiled.network.state_dict()
    assert list(one) == list(two)
    assert all(torch.allclose(one[name], two[name], atol=1e-3, rtol=1e-3) for name in one)
    assert any(not torch.equal(one[name], two[name]) for name in one), "the kernels were not used"
    assert all(torch.equal(a, b) for a, b in zip(
        two.values(), again.network.state_dict().values(), strict=True))  # fmt: skip


def test_the_digest_of_a_recipe_that_does_not_compile_stays() -> None:
    plain = load_recipe("fast")
    assert load_recipe("fast", {"compile": False}).digest == plain.digest
    assert load_recipe("fast", {"compile": True}).digest != plain.digest
