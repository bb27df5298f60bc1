"""What a tracker is, what it is told of a training, and the names under which values go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from experiments.checkpoint import TrainingInfo
from experiments.recipes import Recipe
from experiments.training.state import EpochRecord
from search_spaces.codec import fingerprint
from search_spaces.cost import cost

__all__ = ["RESULTS", "Settings", "Tracked", "Tracker", "scalars", "settings"]

RESULTS = {"test_accuracy": "test/accuracy", "validation_accuracy": "validation/kept"}


Settings = Mapping[str, str | int | float | bool]


@dataclass(frozen=True, slots=True)
class Tracked:
    """Describes a training: its name in the run folder, what makes it itself, its settings."""

    name: str
    key: str
    params: Settings


def settings(info: TrainingInfo, recipe: Recipe) -> Settings:
    """Returns what a training was set to: every value of its recipe, its network, data and seed."""
    counted = cost(info.spec)
    return {
        "network": info.spec.name,
        "fingerprint": fingerprint(info.spec),
        "resolution": info.spec.resolution,
        "macs": int(counted.macs),
        "params": int(counted.params),
        "data": str(info.data["source"]),
        "seed": info.seed,
        **recipe.model_dump(),
    }


class Tracker(Protocol):
    """Writes the curves of one training where a tool shows them; times are seconds since 1970.

    What fails is raised as `InputError` or `RunError`, in one line.
    """

    def start(self, history: Sequence[tuple[EpochRecord, float]]) -> None:
        """Begins the curves, or goes on with them: `history` is what was trained before."""

    def epoch(self, record: EpochRecord, ended: float) -> None:
        """Adds an epoch."""

    def end(self, results: Mapping[str, float]) -> None:
        """Adds what a finished training came to, with the names of `RESULTS`."""

    def close(self, *, finished: bool) -> None:
        """Lets go of files; the training `finished`, or was stopped and may go on."""


def scalars(record: EpochRecord) -> dict[str, float]:
    """Returns an epoch's values by the names that they are tracked under."""
    values = {
        "train/loss": record.loss,
        "train/lr": record.lr,
        "train/images_per_second": record.images_per_second,
        "train/memory_bytes": float(record.memory),
        "train/resolution": float(record.resolution),
        "train/seconds": record.seconds,
    }
    if record.accuracy is not None:
        values["validation/accuracy"] = record.accuracy
    return values
