"""Sources of jobs that are timed: from when all workers are warm to the last training's end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from nas.evaluation import Evaluation
from nas.jobs import Job, JobSource
from search_spaces.errors import RunError

__all__ = ["Listed", "Warmed", "Warming"]

MOST_WARMUPS = 200


@dataclass(eq=False)
class Listed:
    """Is a source of the jobs of a list."""

    todo: list[Job]
    running: int = 0

    def next(self) -> Job | None:
        """Returns the next of the list."""
        if not self.todo:
            return None
        self.running += 1
        return self.todo.pop(0)

    def done(self) -> bool:
        """Tells whether all have ended."""
        return not self.todo and not self.running

    def report(self, job: Job, epoch: int, accuracy: float) -> bool:
        """Lets every job go on."""
        return True

    def finished(self, job: Job, evaluation: Evaluation) -> None:
        """Takes in that one has ended."""
        self.running -= 1

    def failed(self, job: Job, error: str) -> None:
        """Raises `RunError`: there is nothing to be timed."""
        raise RunError(f"{job.name} failed: {error}")

    def given_up(self, job: Job) -> None:
        """Takes in that one has ended."""
        self.running -= 1


@dataclass(eq=False)
class Warming:
    """Is a source of trainings until each of so many `workers` has had one.

    `make` returns the job of a number; its evaluation has the worker's process as its seed.
    """

    make: Callable[[int], Job]
    workers: int
    begun: int = 0
    running: int = 0
    seen: set[int] = field(default_factory=set)

    def next(self) -> Job | None:
        """Returns another; raises `RunError` where workers do not come up."""
        if self.running >= self.workers or len(self.seen) >= self.workers:
            return None
        if self.begun >= MOST_WARMUPS:
            raise RunError(f"only {len(self.seen)} of {self.workers} workers came up")
        self.begun, self.running = self.begun + 1, self.running + 1
        return self.make(self.begun)

    def done(self) -> bool:
        """Tells whether all are warm."""
        return not self.running and len(self.seen) >= self.workers

    def report(self, job: Job, epoch: int, accuracy: float) -> bool:
        """Lets every job go on."""
        return True

    def finished(self, job: Job, evaluation: Evaluation) -> None:
        """Notes a worker."""
        self.running -= 1
        self.seen.add(evaluation.seed)

    def failed(self, job: Job, error: str) -> None:
        """Raises `RunError`: there is nothing to be timed."""
        raise RunError(f"{job.name} failed: {error}")

    def given_up(self, job: Job) -> None:
        """Takes in that one has ended."""
        self.running -= 1


@dataclass(eq=False)
class Warmed:
    """Is a source that is timed from when those that are `warm`-ups have ended.

    `seconds` are those of its trainings, in the order in which they ended.
    """

    warm: Warming
    timed: JobSource
    clock: Callable[[], float] = time.perf_counter
    begun: float | None = None
    ended: float = 0.0
    seconds: list[float] = field(default_factory=list)
    names: set[str] = field(default_factory=set)

    def next(self) -> Job | None:
        """Returns the next job; those that are timed wait until all workers are warm."""
        if not self.warm.done():
            if (job := self.warm.next()) is not None:
                self.names.add(job.name)
            return job
        if self.begun is None:
            self.begun = self.clock()
        return self.timed.next()

    def done(self) -> bool:
        """Tells whether all have ended."""
        return self.warm.done() and self.timed.done()

    def report(self, job: Job, epoch: int, accuracy: float) -> bool:
        """Passes a rung on."""
        return self._of(job).report(job, epoch, accuracy)

    def finished(self, job: Job, evaluation: Evaluation) -> None:
        """Notes when a timed training ended, and its seconds."""
        self._of(job).finished(job, evaluation)
        if job.name not in self.names:
            self.ended = self.clock()
            self.seconds.append(evaluation.seconds)

    def failed(self, job: Job, error: str) -> None:
        """Passes an error on."""
        self._of(job).failed(job, error)

    def given_up(self, job: Job) -> None:
        """Passes on that a job was given up."""
        self._of(job).given_up(job)

    def _of(self, job: Job) -> JobSource:
        return self.warm if job.name in self.names else self.timed

    @property
    def wall(self) -> float:
        """Returns the seconds from when all were warm to the end of the last timed training."""
        return self.ended - (self.ended if self.begun is None else self.begun)

    def overhead(self, workers: int) -> float:
        """Returns the seconds of workers that a training took beside itself."""
        return (self.wall * workers - sum(self.seconds)) / max(1, len(self.seconds))
