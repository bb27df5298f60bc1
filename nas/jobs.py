"""What a training is to be, and what wants trainings: the two that anything in parallel shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from nas.evaluation import Evaluation
from search_spaces.spec import ArchSpec

__all__ = ["Job", "JobSource"]


@dataclass(frozen=True, slots=True)
class Job:
    """Says what one training is to be: a network for so many epochs with a seed.

    `name` is unique within its source, and what progress calls it. `rungs` are the epochs after
    which the accuracy so far is reported; `limit` is its time in seconds.
    """

    name: str
    spec: ArchSpec
    seed: int
    epochs: int
    rungs: tuple[int, ...] = ()
    limit: float | None = None


class JobSource(Protocol):
    """What wants trainings, and learns what became of them. Called by one thread only."""

    def next(self) -> Job | None:
        """Returns what is to start now; None: all is done, or it waits for one that runs."""
        ...

    def done(self) -> bool:
        """Tells whether nothing will come any more, and nothing runs."""
        ...

    def report(self, job: Job, epoch: int, accuracy: float) -> bool:
        """Takes in an accuracy at a rung; False: the job is to stop, and nothing more is told."""
        ...

    def finished(self, job: Job, evaluation: Evaluation) -> None:
        """Takes in a result, which is in the log of trainings by then."""
        ...

    def failed(self, job: Job, error: str) -> None:
        """Takes in an error of the job's own, or that its worker was lost too often."""
        ...

    def given_up(self, job: Job) -> None:
        """Takes in that a job was interrupted; that leaves no trace."""
        ...
