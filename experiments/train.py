"""Trains a network: the loop over epochs, its early stopping and its resume.

Everything random in an epoch comes from a seed of that epoch, and the generators' states are kept
with a state saved on the way: a training that was killed at any step ends with the same weights as
one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from experiments.allocator import keep_freed_memory
from experiments.data import ImageData
from experiments.device import Device
from experiments.recipes import Recipe
from experiments.training.accuracy import accuracy
from experiments.training.loop import Engine, Trainer
from experiments.training.state import EpochRecord, load_state, save_state
from experiments.training.step import LossStep
from experiments.training.weights import inherit_weights, load_weights
from nas.search import derive_seed
from search_spaces.blocks import Block
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec

__all__ = [
    "Engine",
    "EpochRecord",
    "Fitted",
    "Trained",
    "accuracy",
    "fit",
    "new_network",
    "train",
]


@dataclass(frozen=True, slots=True)
class Fitted:
    """Says how a training went; the network itself has its best weights."""

    accuracy: float
    best_epoch: int
    seconds: float
    history: list[EpochRecord]


@dataclass(slots=True)
class Trained:
    """Holds a trained network with its best weights, on the CPU, and how it got there."""

    network: Network
    accuracy: float
    best_epoch: int
    seconds: float
    history: list[EpochRecord]


def _started(network: Network, recipe: Recipe) -> Network:
    """Gives a new network what the recipe says of its start."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and recipe.bn_momentum:
            module.momentum = recipe.bn_momentum
        if isinstance(module, Block) and module.has_residual and recipe.zero_init_residual:
            nn.init.zeros_(module.last_norm.weight)
    return network


def _regularised(spec: ArchSpec, recipe: Recipe) -> ArchSpec:
    """Returns the spec with the rates that the recipe names, and its own where it names none."""
    return replace(
        spec,
        dropout=spec.dropout if recipe.dropout == "spec" else recipe.dropout,
        drop_path=spec.drop_path if recipe.drop_path == "spec" else recipe.drop_path,
    )


def new_network(spec: ArchSpec, recipe: Recipe, num_classes: int) -> Network:
    """Returns the network that a training of `spec` by a recipe begins with."""
    return _started(build(_regularised(spec, recipe), num_classes), recipe)


@contextmanager
def _own_randomness(device: Device) -> Iterator[None]:
    """Leaves torch's generators as they were."""
    with torch.random.fork_rng(devices=[device.torch] if device.is_cuda else []):
        yield


def train(
    spec: ArchSpec,
    data: ImageData,
    recipe: Recipe,
    *,
    seed: int,
    device: Device,
    resume: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    weights: Path | None = None,
    inherits: bool = False,
    engine: Engine | None = None,
) -> Trained:
    """Trains `spec` on the training part; keeps the weights that validate best.

    It starts from `weights` where given, but for a classifier of another number of classes; or
    `inherits` from them, which are then the checkpoint of a smaller network of its family.
    Raises what `fit` raises, and `InputError` for weights that are not this architecture's.
    """
    with _own_randomness(device):
        torch.manual_seed(derive_seed(seed, "weights"))
        network = new_network(spec, recipe, data.num_classes)
        if weights is not None and inherits:
            inherit_weights(network, weights, seed=derive_seed(seed, "inherit"))
        elif weights is not None:
            load_weights(network, weights)
        fitted = fit(
            network, data, recipe, resolution=spec.resolution, seed=seed, device=device,
            resume=resume, on_epoch=on_epoch, engine=engine,
        )  # fmt: skip
    network = network.cpu().eval()
    return Trained(network, fitted.accuracy, fitted.best_epoch, fitted.seconds, fitted.history)


def fit(
    network: nn.Module,
    data: ImageData,
    recipe: Recipe,
    *,
    resolution: int,
    seed: int,
    device: Device,
    resume: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
    loss_step: LossStep | None = None,
    engine: Engine | None = None,
) -> Fitted:
    """Trains any network in place, from the weights that it has, on the training part.

    `loss_step(network, inputs, labels)` gives the loss of a batch (None: cross entropy as the
    recipe says). With `resume`, the state is kept in that file after every epoch and on the way,
    and taken up if it is there; the caller removes it once the result is safe. The test part is
    never looked at.
    Raises `RunError` with step and learning rate when the loss is not finite, and `InputError` for
    fewer training images than a batch or a recipe for images of another size.
    """
    engine = engine or Engine()
    if not device.is_cuda:
        keep_freed_memory()
    with device.exactly(), _own_randomness(device):
        trainer = Trainer(
            device.place(network), data, recipe, resolution=resolution, seed=seed, device=device,
            loss_step=loss_step, engine=engine,
        )  # fmt: skip
        if resume is not None and (state := load_state(resume, device)) is not None:
            trainer.restore(state)
        engine.share.check_agreed(*trainer.reached)
        if engine.on_start is not None:
            engine.on_start(trainer.progress.history)
        _epochs(trainer, resume, on_epoch)
        if engine.share.first:
            network.load_state_dict(trainer.best)
    progress = trainer.progress
    return Fitted(progress.best_accuracy, progress.best_epoch, progress.seconds, progress.history)


def _epochs(
    trainer: Trainer, resume: Path | None, on_epoch: Callable[[EpochRecord], None] | None
) -> None:
    saved = time.monotonic()
    share = trainer.engine.share
    if not share.first:
        resume = None  # the first rank's state is everybody's

    def save_if_due() -> None:
        nonlocal saved
        if resume is not None and time.monotonic() - saved >= trainer.engine.checkpoint_seconds:
            save_state(resume, trainer.state())
            saved = time.monotonic()

    while not trainer.progress.finished(trainer.recipe):
        record = trainer.epoch(save_if_due)
        # Of several ranks, the last state is how whoever started them gets the network.
        last = share.alone and trainer.progress.finished(trainer.recipe)
        if resume is not None and not last:
            save_state(resume, trainer.state())
            saved = time.monotonic()
        if on_epoch is not None:
            on_epoch(record)
