"""Torch's settings for computing bitwise the same again, and that they are given back."""

import os
import warnings
from pathlib import Path

import pytest
import torch

from experiments.data import ImageData
from experiments.determinism import WORKSPACE, deterministic_torch
from experiments.device import Device, pick_device
from experiments.train import Engine, train
from search_spaces.errors import RunError
from tests.conftest import Caller
from tests.experiments.training.test_exact import LITTLE, RECIPES, Killed, killer, recipe_of, same


def settings() -> tuple[object, ...]:
    cudnn = torch.backends.cudnn
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        cudnn.deterministic,
        cudnn.benchmark,
        os.environ.get(WORKSPACE),
    )


@pytest.mark.parametrize("own", [None, ":16:8"])
def test_settings_hold_within_and_are_given_back(
    monkeypatch: pytest.MonkeyPatch, own: str | None
) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)
    if own is not None:
        monkeypatch.setenv(WORKSPACE, own)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = settings()
    with deterministic_torch():
        assert settings() == (True, True, True, False, own or ":4096:8")
        with deterministic_torch():
            pass
        assert settings() == (True, True, True, False, own or ":4096:8")
    assert settings() == before
    with pytest.raises(ZeroDivisionError), deterministic_torch():
        raise ZeroDivisionError
    assert settings() == before


def test_an_operation_without_such_a_form_is_refused() -> None:
    before = settings()
    with (
        pytest.raises(RunError, match=r"^put_ does not have .* train without --deterministic$"),
        deterministic_torch(),
    ):
        torch.zeros(3).put_(torch.tensor([0, 1]), torch.ones(2))
    assert settings() == before


def test_sums_of_counts_are_exact_in_any_order() -> None:
    """Torch says this of kornia's equalize on a GPU; other warnings are nobody's business here."""
    with warnings.catch_warnings(record=True) as shown, deterministic_torch():
        warnings.warn(
            "cumsum_cuda_kernel does not have a deterministic implementation", stacklevel=1
        )
    assert shown == []
    with pytest.raises(UserWarning, match=r"^another$"), deterministic_torch():
        warnings.warn("another", stacklevel=1)


def test_on_a_cpu_nothing_changes(digits: ImageData, cpu: Device) -> None:
    exact = pick_device("cpu", deterministic=True)
    assert exact.deterministic
    before = settings()
    with exact.exactly():
        assert settings() == before
    recipe = recipe_of("fast")
    one = train(LITTLE, digits, recipe, seed=3, device=exact)
    assert same(one, train(LITTLE, digits, recipe, seed=3, device=cpu))


def test_a_gpu_is_asked_only_where_the_user_asks() -> None:
    gpu = torch.device("cuda")
    before = settings()
    with Device(gpu).exactly():
        assert settings() == before
    with Device(gpu, deterministic=True).exactly():
        assert settings() != before


def test_the_command_takes_the_option(call: Caller) -> None:
    words = ("--data", "digits", "--device", "cpu", "--deterministic", "--out", "x")
    for command in (
        ("train", "mobilenetv2"),
        ("search", "--target-macs", "2M"),
        ("run", "--target-macs", "2M"),
        ("scale", "mobilenetv2", "--grid"),
    ):
        outcome = call(*command, *words, "--recipe", "none")
        assert "no recipe is called 'none'" in outcome.err, "it was understood up to there"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", RECIPES)
def test_killed_again_and_again_on_a_gpu(digits: ImageData, tmp_path: Path, name: str) -> None:
    device, recipe = pick_device("cuda", deterministic=True), recipe_of(name)
    whole = train(LITTLE, digits, recipe, seed=3, device=device)
    assert same(whole, train(LITTLE, digits, recipe, seed=3, device=device))
    kills, last = 0, None
    while last is None:
        engine = Engine(checkpoint_seconds=0.0, on_step=killer(2))
        try:
            last = train(
                LITTLE, digits, recipe, seed=3, device=device, engine=engine,
                resume=tmp_path / "state.resume",
            )  # fmt: skip
        except Killed:
            kills += 1
    assert kills >= 2
    assert same(whole, last)
