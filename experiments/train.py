"""Trains one network: the loop, its learning rate, its early stopping and its resume.

Everything random in an epoch comes from a seed of that epoch, so a training that continues from
the end of any epoch ends with the same weights as one that never stopped.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from experiments.data import ImageData
from experiments.device import Device
from experiments.files import write_atomic_with
from experiments.recipes import Recipe
from experiments.tensors import Augment, Normalize, PartTensors, batches, part_tensors
from nas.search import derive_seed
from search_spaces.blocks import Block
from search_spaces.errors import InputError, RunError
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec

__all__ = ["EpochRecord", "Trained", "accuracy", "learning_rate", "train"]

EVAL_BATCH = 512
State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Records an epoch: mean training loss, validation accuracy (None: not measured), seconds."""

    epoch: int
    lr: float
    loss: float
    accuracy: float | None
    seconds: float


@dataclass(slots=True)
class Trained:
    """Holds a trained network with its best weights, on the CPU, and how it got there."""

    network: Network
    accuracy: float
    best_epoch: int
    seconds: float
    history: list[EpochRecord]


@dataclass(slots=True)
class _Progress:
    """Holds what a training must remember from one epoch to the next, weights aside."""

    epoch: int = 0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)

    def finished(self, recipe: Recipe) -> bool:
        stale = self.epoch - self.best_epoch
        return self.epoch >= recipe.epochs or bool(recipe.patience and stale >= recipe.patience)


def learning_rate(step: int, steps: int, recipe: Recipe) -> float:
    """Returns the rate for `step` of `steps`: linear from 0 to the peak, then cosine to 0."""
    rise = recipe.warmup * steps
    if step < rise:
        return recipe.lr * (step + 1) / (rise + 1)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, steps - rise)))


def _started(network: Network, recipe: Recipe) -> Network:
    """Gives a new network what the recipe says of its start."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and recipe.bn_momentum:
            module.momentum = recipe.bn_momentum
        if isinstance(module, Block) and module.has_residual and recipe.zero_init_residual:
            nn.init.zeros_(module.last_norm.weight)
    return network


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Returns the optimizer; weight decay leaves biases and BatchNorm alone."""
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": decayed, "weight_decay": recipe.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, betas=(recipe.momentum, 0.999))
    nesterov = recipe.momentum > 0
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov)


@torch.inference_mode()
def accuracy(network: nn.Module, part: PartTensors, normalize: Normalize, device: Device) -> float:
    """Returns the share of `part` that the network, in eval mode, classifies rightly."""
    network.eval()
    right = torch.zeros((), device=device.torch, dtype=torch.int64)
    for images, labels in batches(part, EVAL_BATCH):
        with device.autocast():
            logits = network(normalize(images))
        right += (logits.argmax(1) == labels).sum()
    return int(right) / max(1, len(part))


class _Trainer:
    """Trains a network on one device, an epoch at a time."""

    def __init__(
        self, spec: ArchSpec, data: ImageData, recipe: Recipe, seed: int, device: Device
    ) -> None:
        self.recipe, self.seed, self.device = recipe, seed, device
        self.part = part_tensors(data, data.train, spec.resolution, device)
        self.validation = part_tensors(data, data.validation, spec.resolution, device)
        if len(self.part) < recipe.batch_size:
            raise InputError(
                f"{len(self.part)} training images are fewer than one batch of "
                f"{recipe.batch_size}; set batch_size lower"
            )
        torch.manual_seed(derive_seed(seed, "weights"))
        self.network = device.place(_started(build(spec, data.num_classes), recipe))
        self.normalize = Normalize(data.mean, data.std).to(device.torch)
        self.augment = Augment(recipe, spec.resolution, mirror=data.mirror)
        self.optimizer = _optimizer(self.network, recipe)
        self.loss = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
        self.best = _copy_weights(self.network)

    def epoch(self, number: int) -> EpochRecord:
        """Trains for one epoch (counted from 0) and validates where the recipe asks for it."""
        start = time.perf_counter()
        torch.manual_seed(derive_seed(self.seed, "epoch", number))
        self.network.train()
        per_epoch = len(self.part) // self.recipe.batch_size
        total = torch.zeros((), device=self.device.torch)
        rate = 0.0
        order = torch.randperm(len(self.part))
        for index, (images, labels) in enumerate(batches(self.part, self.recipe.batch_size, order)):
            step = number * per_epoch + index
            rate = learning_rate(step, self.recipe.epochs * per_epoch, self.recipe)
            total += self._step(images, labels, rate)
        loss = float(total) / per_epoch
        if not math.isfinite(loss):
            raise RunError(f"the loss is {loss} in epoch {number + 1}, learning rate {rate:.3g}")
        score = None
        if self.recipe.patience or number + 1 == self.recipe.epochs:
            score = accuracy(self.network, self.validation, self.normalize, self.device)
        return EpochRecord(number + 1, rate, loss, score, time.perf_counter() - start)

    def _step(self, images: Tensor, labels: Tensor, rate: float) -> Tensor:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        inputs = self.augment(self.normalize(images))
        with self.device.autocast():
            loss: Tensor = self.loss(self.network(inputs), labels)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        self.optimizer.step()
        return loss.detach()

    def state(self, progress: _Progress) -> dict[str, Any]:
        """Returns everything a later process needs to go on from here."""
        return {
            "network": self.network.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "progress": asdict(progress),
        }

    def restore(self, state: dict[str, Any]) -> _Progress:
        """Takes up a state that `state` gave."""
        self.network.load_state_dict(state["network"])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        values = dict(state["progress"])
        history = [EpochRecord(**record) for record in values.pop("history")]
        return _Progress(**values, history=history)


def _copy_weights(network: nn.Module) -> State:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def train(
    spec: ArchSpec,
    data: ImageData,
    recipe: Recipe,
    *,
    seed: int,
    device: Device,
    resume: Path | None = None,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> Trained:
    """Trains `spec` on the training part; keeps the weights that validate best.

    With `resume`, the state is saved there after every epoch and taken up if it is there. The
    caller removes it once the result is safe. The test part is never looked at.
    Raises `RunError` with epoch and learning rate when the loss is not finite, and `InputError`
    when there are fewer training images than a batch.
    """
    with torch.random.fork_rng(devices=[device.torch] if device.is_cuda else []):
        trainer = _Trainer(spec, data, recipe, seed, device)
        progress = _Progress()
        if resume is not None and resume.is_file():
            progress = trainer.restore(
                torch.load(resume, map_location=device.torch, weights_only=True)
            )
        while not progress.finished(recipe):
            record = trainer.epoch(progress.epoch)
            _note(progress, record, trainer)
            if resume is not None and not progress.finished(recipe):
                write_atomic_with(resume, lambda path: torch.save(trainer.state(progress), path))
            if on_epoch is not None:
                on_epoch(record)
    trainer.network.load_state_dict(trainer.best)
    network = trainer.network.cpu().eval()
    return Trained(
        network, progress.best_accuracy, progress.best_epoch, progress.seconds, progress.history
    )


def _note(progress: _Progress, record: EpochRecord, trainer: _Trainer) -> None:
    progress.epoch = record.epoch
    progress.seconds += record.seconds
    progress.history.append(record)
    if record.accuracy is not None and record.accuracy > progress.best_accuracy:
        progress.best_accuracy, progress.best_epoch = record.accuracy, record.epoch
        trainer.best = _copy_weights(trainer.network)
