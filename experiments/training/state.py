"""What a training must remember to go on where it was killed, and how that is kept on disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments.device import Device
from experiments.files import write_atomic_with
from experiments.recipes import Recipe

__all__ = [
    "EpochRecord",
    "Partial",
    "Progress",
    "load_state",
    "random_state",
    "save_state",
    "set_random_state",
]

VERSION = 2


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """Records an epoch: mean training loss, validation accuracy (None: not measured), seconds.

    `memory` is in bytes: the most that was allocated on a GPU, else what the process holds.
    Checkpoints keep records as rows, so new fields come last.
    """

    epoch: int
    lr: float
    loss: float
    accuracy: float | None
    seconds: float
    images_per_second: float = 0.0
    memory: int = 0
    resolution: int = 0
    batch_size: int = 0


@dataclass(slots=True)
class Partial:
    """Holds how far an epoch has come: steps done, their losses, their sum, seconds spent."""

    step: int
    losses: Tensor
    total: Tensor
    seconds: float = 0.0


@dataclass(slots=True)
class Progress:
    """Holds what a training must remember, weights and random state aside."""

    epoch: int = 0
    best_accuracy: float = -1.0
    best_epoch: int = 0
    seconds: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)
    micro_batch: int | None = None

    def finished(self, recipe: Recipe) -> bool:
        """Tells whether the last epoch is done, or validation has not risen for long enough."""
        stale = self.epoch - self.best_epoch
        return self.epoch >= recipe.epochs or bool(recipe.patience and stale >= recipe.patience)

    def note(self, record: EpochRecord) -> bool:
        """Takes an epoch in; tells whether its weights are the best so far."""
        self.epoch = record.epoch
        self.seconds += record.seconds
        self.history.append(record)
        best = record.accuracy is not None and record.accuracy > self.best_accuracy
        if best:
            assert record.accuracy is not None
            self.best_accuracy, self.best_epoch = record.accuracy, record.epoch
        return best

    def to_state(self) -> dict[str, Any]:
        """Returns plain values."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Progress:
        """Reads what `to_state` gave."""
        values = dict(state)
        history = [EpochRecord(**record) for record in values.pop("history")]
        return cls(**values, history=history)


def random_state(device: Device) -> dict[str, Tensor]:
    """Returns the state of torch's generators: the CPU's, and the GPU's where that trains."""
    state = {"cpu": torch.get_rng_state()}
    if device.is_cuda:
        state["cuda"] = torch.cuda.get_rng_state(device.torch)
    return state


def set_random_state(state: dict[str, Tensor], device: Device) -> None:
    """Takes up a state that `random_state` gave."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.is_cuda and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"].cpu(), device.torch)


@contextmanager
def _disk_errors() -> Iterator[None]:
    """Raises the error that torch hides behind one about its archive."""
    try:
        yield
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Writes a training's state, whole or not at all."""

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file, _disk_errors():
            torch.save({"version": VERSION, **state}, file)

    write_atomic_with(path, write)


def load_state(path: Path, device: Device) -> dict[str, Any] | None:
    """Reads a training's state; None where there is none, or only an older version's."""
    if not path.is_file():
        return None
    state: dict[str, Any] = torch.load(path, map_location=device.torch, weights_only=True)
    return state if state.pop("version", 1) == VERSION else None
