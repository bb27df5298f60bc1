"""What a rank must know to take part in a training, and how it tells of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.config import DataConfig, TrainingConfig
from experiments.recipes import Recipe
from search_spaces.spec import ArchSpec

__all__ = ["Message", "Post", "RankTask", "Tell"]

Message = tuple[str, Any]  # what it is about, and what is said: `Post` keeps them
Tell = Callable[[str, Any], None]


@dataclass(frozen=True, slots=True)
class RankTask:
    """Says everything of a training but its images, which every rank reads for itself.

    `mean` and `std` are what images are normalised by; `resume` is the file of the training's
    state, on a disk that all ranks see. A rank computes with `threads` threads, and has `loaders`
    beside it to decode images that memory does not hold (None: one less than threads).
    """

    spec: ArchSpec
    recipe: Recipe
    data: DataConfig
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    seed: int
    resume: Path
    start: TrainingConfig | None
    deterministic: bool = False
    loaders: int | None = None
    cuda: bool = False
    threads: int = 1
    checkpoint_seconds: float = 60.0


class Post:
    """Keeps what ranks tell until it is asked for; a Ray actor of its own is one of it."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._failure: tuple[str, str] | None = None

    def put(self, about: str, what: Any) -> None:
        """Takes a message."""
        self._messages.append((about, what))

    def take(self) -> list[Message]:
        """Gives the messages since it was last asked."""
        taken, self._messages = self._messages, []
        return taken

    def fail(self, kind: str, message: str) -> None:
        """Takes the training's own error, the first one: it is not to be tried again."""
        self._failure = self._failure or (kind, message)

    def failure(self) -> tuple[str, str] | None:
        """Gives the kind of the training's own error and what it says; None: there is none."""
        return self._failure
