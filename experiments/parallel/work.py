"""What is sent to a worker: a training with all that it needs, and what comes back."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from nas.evaluation import Evaluation
from nas.jobs import Job

if TYPE_CHECKING:
    from experiments.data import ImageData
    from experiments.device import Device
    from experiments.evaluating import Training

__all__ = ["Kit", "Outcome", "Package", "Place", "Prepared", "Report", "ShortTraining", "Work"]

# Is told the accuracy after an epoch; raises where the training is to end.
Report = Callable[[int, float], None]


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Holds what a worker trains on: its device, the data by name, and how many `loaders` decode.

    The data called "" is the run's own.
    """

    device: Device
    data: Mapping[str, ImageData]
    loaders: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Kit:
    """Says what a worker needs before its first training; every worker of a node shares the data.

    `uses_gpu` workers take the GPU that they are given.
    """

    data: Mapping[str, ImageData]
    loaders: int | None
    threads: int
    uses_gpu: bool
    deterministic: bool = False

    def place(self) -> Place:
        """Returns the place of the worker that calls this."""
        from experiments.device import pick_device  # noqa: PLC0415 (threads are set before torch)

        device = pick_device("cuda" if self.uses_gpu else "cpu", deterministic=self.deterministic)
        return Place(device, self.data, self.loaders)


class Work(Protocol):
    """What a worker does for a job; it can be pickled."""

    def run(self, place: Place, report: Report) -> Evaluation:
        """Trains; calls `report` at rungs. What it raises is the job's own error."""
        ...


@dataclass(frozen=True, slots=True)
class ShortTraining:
    """Trains a network on the data of that name; reports at `rungs`, ends after `limit` seconds."""

    training: Training
    rungs: tuple[int, ...] = ()
    limit: float | None = None
    data: str = ""

    def run(self, place: Place, report: Report) -> Evaluation:
        """Trains, as `Work` says."""
        from experiments.evaluating import train_job  # noqa: PLC0415 (threads are set before torch)
        from experiments.train import Engine  # noqa: PLC0415
        from experiments.training_hooks import time_limit  # noqa: PLC0415

        step = None if self.limit is None else time_limit(self.limit, time.perf_counter())
        told = {epoch: partial(report, epoch) for epoch in self.rungs}
        engine = Engine(loaders=place.loaders, on_step=step, rungs=told)
        return train_job(self.training, place.data[self.data], place.device, engine=engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared(Job):
    """Is a job that says itself what a worker does for it.

    `key` names its training. Where it `is_logged`, the result is kept in the log of trainings.
    """

    work: Work
    key: str
    is_logged: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """Is what comes back: an evaluation or an error, with the processor's and the GPU's seconds."""

    evaluation: Evaluation | None = None
    error: str | None = None
    cpu: float = 0.0
    gpu: float = 0.0


@dataclass(frozen=True, slots=True)
class Package:
    """Holds work as bytes: Ray Tune copies, flattens and prints what a trial is told."""

    name: str
    content: bytes = field(repr=False)

    @classmethod
    def of(cls, name: str, work: Work) -> Package:
        """Packs."""
        return cls(name, pickle.dumps(work))

    def open(self) -> Work:
        """Unpacks."""
        work: Work = pickle.loads(self.content)
        return work
