"""Jobs that train nothing, and a source that hands out a list and writes down what it hears."""

import ctypes
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.parallel.work import Place, Prepared, Report
from nas.evaluation import Evaluation
from nas.jobs import Job
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec


@dataclass(frozen=True, slots=True)
class Fake:
    """Does in a worker what its `way` says, at most as often as it is told to before it works.

    Each start is a line of the file `starts`: the worker's process.
    """

    way: str
    accuracy: float
    starts: Path
    times: int = 99
    rungs: tuple[int, ...] = ()

    def run(self, place: Place, report: Report) -> Evaluation:
        begun = len(self.starts.read_text().splitlines()) if self.starts.exists() else 0
        with self.starts.open("a") as file:
            file.write(f"{os.getpid()}\n")
        for epoch in self.rungs:
            report(epoch, self.accuracy * epoch / 10)
        if begun < self.times:
            WAYS[self.way]()
        return Evaluation(self.accuracy, 1, 1, 0.1, 0, test_accuracy=float(len(place.data)))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crash() -> None:
    ctypes.string_at(0)


def hang() -> None:
    time.sleep(1000)


def fail() -> None:
    raise RunError("the loss is nan")


def break_down() -> None:
    raise ValueError("no such thing")


def spin() -> None:
    until = time.process_time() + 0.3
    while time.process_time() < until:
        pass


WAYS = {
    "work": lambda: None, "die": die, "crash": crash, "hang": hang, "fail": fail,
    "break": break_down, "spin": spin,
}  # fmt: skip


def fake(
    folder: Path, spec: ArchSpec, name: str, way: str = "work", *, accuracy: float = 0.5,
    times: int = 99, rungs: tuple[int, ...] = (), limit: float | None = None,
) -> Prepared:  # fmt: skip
    work = Fake(way, accuracy, folder / f"{name}.starts", times, rungs)
    return Prepared(
        name=name, spec=spec, seed=0, epochs=1, rungs=rungs, limit=limit, work=work, key=name
    )


class Listed:
    """Hands out jobs; keeps what was said of them, by name. `stop_below`: accuracy at rungs."""

    def __init__(self, jobs: Sequence[Job], *, stop_below: float = 0.0) -> None:
        self.todo, self.stop_below = list(jobs), stop_below
        self.running: set[str] = set()
        self.most = 0
        self.found: dict[str, Evaluation] = {}
        self.errors: dict[str, str] = {}
        self.rungs: list[tuple[str, int, float]] = []
        self.left: list[str] = []

    def next(self) -> Job | None:
        if not self.todo:
            return None
        job = self.todo.pop(0)
        self.running.add(job.name)
        self.most = max(self.most, len(self.running))
        return job

    def done(self) -> bool:
        return not self.todo and not self.running

    def report(self, job: Job, epoch: int, accuracy: float) -> bool:
        self.rungs.append((job.name, epoch, accuracy))
        if accuracy >= self.stop_below:
            return True
        self.running.discard(job.name)
        return False

    def finished(self, job: Job, evaluation: Evaluation) -> None:
        self.running.discard(job.name)
        self.found[job.name] = evaluation

    def failed(self, job: Job, error: str) -> None:
        self.running.discard(job.name)
        self.errors[job.name] = error

    def given_up(self, job: Job) -> None:
        self.running.discard(job.name)
        self.left.append(job.name)
