import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from experiments.data import ImageData, load_data
from experiments.device import Device
from experiments.feeds import open_feed
from experiments.recipes import Recipe, load_recipe
from experiments.tensors import Normalize
from experiments.train import EpochRecord, Trained, accuracy, train
from search_spaces.errors import InputError, RunError
from search_spaces.spec import ArchSpec


def same_weights(one: Trained, two: Trained) -> bool:
    first, second = one.network.state_dict(), two.network.state_dict()
    return first.keys() == second.keys() and all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def steps(trained: Trained) -> list[tuple[int, float, float, float | None]]:
    return [(r.epoch, r.lr, r.loss, r.accuracy) for r in trained.history]


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe("fast", {"epochs": 4, "patience": 3})


def test_training_learns(tiny: ArchSpec, cpu: Device) -> None:
    data = load_data("digits")
    recipe = load_recipe("fast", {"epochs": 5, "shift": 0.0, "patience": 0})
    trained = train(tiny, data, recipe, seed=0, device=cpu)
    losses = [record.loss for record in trained.history]
    assert losses[-1] < 0.6 * losses[0]
    assert trained.accuracy > 0.6  # ten classes
    assert [r.accuracy is None for r in trained.history] == [True] * 4 + [False]
    assert not trained.network.training
    feed = open_feed(data, data.validation, resolution=tiny.resolution, device=cpu)
    normalize = Normalize(data.mean, data.std)
    again = accuracy(trained.network, feed, normalize, cpu, resolution=tiny.resolution)
    assert again == trained.accuracy


def test_the_seed_decides_everything(
    tiny: ArchSpec, digits: ImageData, cpu: Device, recipe: Recipe
) -> None:
    first = train(tiny, digits, recipe, seed=1, device=cpu)
    torch.rand(5)  # the state of torch's own generator has no say
    again = train(tiny, digits, recipe, seed=1, device=cpu)
    assert same_weights(first, again)
    assert steps(first) == steps(again)
    other = train(tiny, digits, recipe, seed=2, device=cpu)
    assert not same_weights(first, other)


def test_training_leaves_the_generator_as_it_was(
    tiny: ArchSpec, digits: ImageData, cpu: Device, quick: Recipe
) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(tiny, digits, quick, seed=1, device=cpu)
    assert torch.equal(torch.rand(3), expected)


class Stopped(Exception):  # noqa: N818 (it stands for a kill)
    pass


def stopping_after(epoch: int) -> Callable[[EpochRecord], None]:
    def stop(record: EpochRecord) -> None:
        if record.epoch == epoch:
            raise Stopped

    return stop


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
@pytest.mark.parametrize("stops", [(1,), (1, 2, 3)])
def test_an_interrupted_training_ends_with_the_same_weights(
    tiny: ArchSpec,
    digits: ImageData,
    cpu: Device,
    tmp_path: Path,
    optimizer: str,
    stops: tuple[int, ...],
) -> None:
    recipe = load_recipe("fast", {"epochs": 4, "optimizer": optimizer, "lr": 0.01})
    spec = replace(tiny, dropout=0.2, drop_path=0.1)
    whole = train(spec, digits, recipe, seed=3, device=cpu)
    resume = tmp_path / "state.resume"
    for stop in stops:
        with pytest.raises(Stopped):
            train(
                spec, digits, recipe, seed=3, device=cpu, resume=resume,
                on_epoch=stopping_after(stop),
            )  # fmt: skip
    run: list[int] = []
    last = train(
        spec, digits, recipe, seed=3, device=cpu, resume=resume,
        on_epoch=lambda record: run.append(record.epoch),
    )  # fmt: skip
    assert run == list(range(stops[-1] + 1, 5))
    assert same_weights(whole, last)
    assert steps(whole) == steps(last)
    assert (whole.accuracy, whole.best_epoch) == (last.accuracy, last.best_epoch)


def test_the_best_weights_survive_an_interruption_after_them(
    tiny: ArchSpec,
    digits: ImageData,
    cpu: Device,
    recipe: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def scripted() -> Callable[..., float]:
        scores = iter([0.2, 0.9, 0.3, 0.4])
        return lambda *_, **__: next(scores)

    monkeypatch.setattr("experiments.training.loop.accuracy", scripted())
    whole = train(tiny, digits, recipe, seed=3, device=cpu)
    assert (whole.accuracy, whole.best_epoch) == (0.9, 2)
    shorter = scripted()
    monkeypatch.setattr("experiments.training.loop.accuracy", shorter)
    resume = tmp_path / "state.resume"
    with pytest.raises(Stopped):
        train(tiny, digits, recipe, seed=3, device=cpu, resume=resume, on_epoch=stopping_after(3))
    last = train(tiny, digits, recipe, seed=3, device=cpu, resume=resume)
    assert (last.accuracy, last.best_epoch) == (0.9, 2)
    assert same_weights(whole, last)


def test_training_stops_when_validation_no_longer_rises(
    tiny: ArchSpec, digits: ImageData, cpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.3, 0.3, 0.2, 0.9, 0.9])
    monkeypatch.setattr("experiments.training.loop.accuracy", lambda *_, **__: next(scores))
    recipe = load_recipe("fast", {"epochs": 6, "patience": 2})
    trained = train(tiny, digits, recipe, seed=0, device=cpu)
    assert [r.accuracy for r in trained.history] == [0.1, 0.3, 0.3, 0.2]
    assert (trained.accuracy, trained.best_epoch) == (0.3, 2)


def test_the_test_part_is_never_looked_at(
    tiny: ArchSpec, digits: ImageData, cpu: Device, quick: Recipe
) -> None:
    images = np.array(digits.images)
    images[digits.test] = 77
    spoilt = replace(digits, images=images)
    one = train(tiny, digits, quick, seed=0, device=cpu)
    two = train(tiny, spoilt, quick, seed=0, device=cpu)
    assert same_weights(one, two)
    assert one.accuracy == two.accuracy


def test_fewer_images_than_a_batch_are_refused(
    tiny: ArchSpec, digits: ImageData, cpu: Device
) -> None:
    recipe = load_recipe("fast", {"batch_size": 1024})
    with pytest.raises(InputError, match=r"\d+ training images are fewer than one batch of 1024"):
        train(tiny, digits, recipe, seed=0, device=cpu)


def test_a_loss_that_is_not_finite_is_named_with_its_epoch_and_rate(
    tiny: ArchSpec,
    digits: ImageData,
    cpu: Device,
    quick: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        return lambda logits, labels: logits.sum() * math.nan

    monkeypatch.setattr("experiments.training.step.nn.CrossEntropyLoss", broken)
    with pytest.raises(
        RunError, match=r"the loss is nan in epoch 1, step 1 of 4, learning rate 0\.167"
    ):
        train(tiny, digits, quick, seed=0, device=cpu)
