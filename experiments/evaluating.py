"""One training and what it came to: what every evaluation goes through, wherever it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from experiments.config import TrainingConfig
from experiments.data import ImageData
from experiments.device import Device
from experiments.feeds import open_feed
from experiments.inheriting import starting
from experiments.recipes import Recipe
from experiments.tensors import Normalize
from experiments.train import Engine, EpochRecord, Trained, accuracy, train
from nas.evaluation import Evaluation
from search_spaces.cost import cost
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec

__all__ = ["Training", "evaluation_of", "test_accuracy", "train_job"]


@dataclass(frozen=True, slots=True)
class Training:
    """Says everything of a training but its images.

    `start` names weights to start from. `is_tested` ones read the test part, once, at the end.
    """

    spec: ArchSpec
    recipe: Recipe
    seed: int
    start: TrainingConfig | None = None
    is_tested: bool = False


def train_job(
    training: Training,
    data: ImageData,
    device: Device,
    *,
    engine: Engine,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> Evaluation:
    """Trains a network and returns what it came to.

    Raises `RunError` for a training that fails, and what the engine's hooks raise.
    """
    begun = time.perf_counter()
    trained = train(
        training.spec, data, training.recipe,
        seed=training.seed, device=device, on_epoch=on_epoch, engine=engine,
        **starting(training.start),
    )  # fmt: skip
    seconds = time.perf_counter() - begun
    tested = test_accuracy(trained, data, device, engine.loaders) if training.is_tested else None
    return evaluation_of(trained, seconds=seconds, seed=training.seed, tested=tested)


def evaluation_of(
    trained: Trained, *, seconds: float, seed: int, tested: float | None = None
) -> Evaluation:
    """Returns a training's record; costs are those of the network with the data's classes.

    Raises `RunError` for an accuracy that is no number: nothing of it is kept.
    """
    if not math.isfinite(trained.accuracy):
        raise RunError(f"its accuracy is {trained.accuracy}")
    counted = cost(trained.network.spec)
    return Evaluation(
        accuracy=trained.accuracy,
        macs=counted.macs,
        params=counted.params,
        seconds=seconds,
        seed=seed,
        epochs=len(trained.history),
        test_accuracy=tested,
    )


def test_accuracy(trained: Trained, data: ImageData, device: Device, loaders: int | None) -> float:
    """Returns a trained network's accuracy on the test part."""
    resolution = trained.network.spec.resolution
    test = open_feed(data, data.test, resolution=resolution, device=device, loaders=loaders)
    normalize = Normalize(data.mean, data.std).to(device.torch)
    network = trained.network.to(device.torch)
    with device.exactly():
        return accuracy(network, test, normalize, device, resolution=resolution)
