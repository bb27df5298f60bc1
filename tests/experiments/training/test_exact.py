"""Killed at any step and started again: bitwise the weights of a training that was not."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from experiments.data import ImageData
from experiments.device import Device
from experiments.recipes import Recipe, load_recipe
from experiments.train import Engine, Trained, fit, train
from experiments.training.loop import StepRecord
from search_spaces.codec import stages_from_strings
from search_spaces.network import build
from search_spaces.spec import ArchSpec

LITTLE = ArchSpec(
    name="little",
    resolution=8,
    stages=stages_from_strings("ir_r2_k3_s1_e2_c8"),
    stem_ch=8,
    stem_stride=2,
    head_ch=16,
    dropout=0.2,
    drop_path=0.2,
)
BATCH = {"batch_size": 48, "epochs": 2}
RECIPES: dict[str, tuple[str, dict[str, object]]] = {
    "fast": ("fast", {**BATCH, "patience": 2, "flip": "always"}),
    "adamw": ("fast", {**BATCH, "optimizer": "adamw", "lr": 0.01, "accumulate": 2}),
    "efficientnet": ("efficientnet", {**BATCH, "lr": 0.1, "augment_groups": 2}),
    "progressive": (
        "efficientnet_v2",
        {
            **BATCH,
            **{"epochs": 3, "stages": 3, "mixup": 0.3, "cutmix": 1.0, "erasing": 0.2},
            **{"augment_groups": 2, "start_resolution": 0.5, "accumulate": 2},
        },
    ),
}


class Killed(Exception):  # noqa: N818 (it stands for a kill)
    pass


def killer(at: int) -> Callable[[StepRecord], None]:
    """Stops a training after `at` of the steps that it makes itself, or one more.

    The state that ends an epoch is kept a moment after its last step: killed there time and again,
    a training would repeat that step for ever.
    """
    made = 0

    def count(record: StepRecord) -> None:
        nonlocal made
        made += 1
        if made >= at and record.step < record.steps:
            raise Killed

    return count


def recipe_of(name: str) -> Recipe:
    shipped, changes = RECIPES[name]
    return load_recipe(shipped, changes)


def same(one: Trained, two: Trained) -> bool:
    first, second = one.network.state_dict(), two.network.state_dict()
    return all(torch.equal(value, second[name]) for name, value in first.items())


def rows(trained: Trained) -> list[tuple[object, ...]]:
    return [(r.epoch, r.lr, r.loss, r.accuracy, r.resolution) for r in trained.history]


@pytest.fixture(scope="module")
def wholes(digits: ImageData, cpu: Device) -> dict[str, Trained]:
    return {name: train(LITTLE, digits, recipe_of(name), seed=3, device=cpu) for name in RECIPES}


@pytest.mark.parametrize("seconds", [0.0, math.inf], ids=["kept each step", "kept each epoch"])
@pytest.mark.parametrize("name", RECIPES)
def test_killed_again_and_again(
    wholes: dict[str, Trained],
    digits: ImageData,
    cpu: Device,
    tmp_path: Path,
    name: str,
    seconds: float,
) -> None:
    resume, recipe = tmp_path / "state.resume", recipe_of(name)
    every = 1 if not seconds else 7  # of the 5 or so steps of an epoch: else it would never end
    kills, last = 0, None
    while last is None:
        engine = Engine(checkpoint_seconds=seconds, on_step=killer(every))
        try:
            last = train(LITTLE, digits, recipe, seed=3, device=cpu, resume=resume, engine=engine)
        except Killed:
            kills += 1
    assert kills >= (8 if every == 1 else 1)
    assert same(wholes[name], last)
    assert rows(wholes[name]) == rows(last)


def test_what_is_trained_depends_on_every_part_of_the_recipe(
    wholes: dict[str, Trained], digits: ImageData, cpu: Device
) -> None:
    """Shows that the trainings above could differ: each change reaches the weights."""
    for changes in ({"mixup": 0.0}, {"cutmix": 0.0}, {"erasing": 0.0}, {"ema": 0.5}):
        other = recipe_of("progressive").model_copy(update=changes)
        assert not same(wholes["progressive"], train(LITTLE, digits, other, seed=3, device=cpu))


def test_the_state_holds_no_more_than_a_training_needs(
    digits: ImageData, cpu: Device, tmp_path: Path
) -> None:
    resume = tmp_path / "state.resume"
    recipe = load_recipe("fast", {"patience": 0, "batch_size": 48})
    with pytest.raises(Killed):
        train(
            LITTLE, digits, recipe, seed=0, device=cpu, resume=resume,
            engine=Engine(checkpoint_seconds=0, on_step=killer(2)),
        )  # fmt: skip
    state = torch.load(resume, weights_only=True)
    assert state["partial"]["step"] == 2
    assert state["best"] == {}, "nothing has been validated yet"
    assert state["average"] is None


def test_an_older_versions_state_is_left_alone(
    digits: ImageData, cpu: Device, tmp_path: Path
) -> None:
    recipe = load_recipe("fast", {**BATCH, "epochs": 1})
    resume = tmp_path / "state.resume"
    torch.save({"network": {}, "optimizer": {}, "best": {}, "progress": {}}, resume)
    again = train(LITTLE, digits, recipe, seed=1, device=cpu, resume=resume)
    assert same(again, train(LITTLE, digits, recipe, seed=1, device=cpu))


def test_the_averaged_weights_are_validated_and_kept(digits: ImageData, cpu: Device) -> None:
    """An average that hardly moves is that of the weights after the first step."""
    seen: dict[int, dict[str, torch.Tensor]] = {}

    def look(network: torch.nn.Module, inputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        seen[len(seen)] = {k: v.clone() for k, v in network.named_parameters()}
        loss: torch.Tensor = torch.nn.functional.cross_entropy(network(inputs), labels)
        return loss

    changes = {**BATCH, "epochs": 1, "lr": 0.1, "ema": 0.99999999, "ema_warmup": False}
    torch.manual_seed(0)
    network = build(LITTLE)
    fit(
        network, digits, load_recipe("fast", changes), resolution=8, seed=1, device=cpu,
        loss_step=look,
    )  # fmt: skip
    kept = dict(network.named_parameters())
    assert len(seen) == 5
    assert all(torch.allclose(kept[name], value, atol=1e-6) for name, value in seen[1].items())
    assert not all(torch.allclose(kept[name], value, atol=1e-3) for name, value in seen[4].items())


def test_dropout_and_stochastic_depth_are_the_specs_or_the_recipes(
    digits: ImageData, cpu: Device
) -> None:
    recipe = load_recipe("fast", {**BATCH, "epochs": 1})
    named = load_recipe("fast", {**BATCH, "epochs": 1, "dropout": 0.2, "drop_path": 0.2})
    off = load_recipe("fast", {**BATCH, "epochs": 1, "dropout": 0.0, "drop_path": 0.0})
    none = replace(LITTLE, dropout=0.0, drop_path=0.0)
    own = train(LITTLE, digits, recipe, seed=1, device=cpu)
    assert same(own, train(none, digits, named, seed=1, device=cpu))
    assert not same(own, train(LITTLE, digits, off, seed=1, device=cpu))
    assert same(
        train(none, digits, recipe, seed=1, device=cpu),
        train(LITTLE, digits, off, seed=1, device=cpu),
    )
