"""Any number of workers that serve a source of jobs, in simulated time and one process."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from nas.evaluation import Evaluation
from nas.jobs import Job, JobSource

__all__ = ["Clock", "Workers"]


@dataclass
class Clock:
    """Is a clock that stands until it is moved."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Workers:
    """Trains `count` jobs at once; `seconds` says how long one takes, in shares of its rungs.

    The process is killed before the end of training number `killed_at`: the rest is lost. With
    `give_up_at`, what runs is given up there, as after Ctrl-C.
    """

    count: int
    train: Callable[[Job], Evaluation]
    seconds: Callable[[Job], float]
    clock: Clock = field(default_factory=Clock)
    killed_at: int | None = None
    give_up_at: int | None = None
    most: int = 0
    order: list[str] = field(default_factory=list)

    def run(self, source: JobSource) -> None:
        """Runs jobs until there are no more."""
        events: list[tuple[float, int, Job, int]] = []
        number = itertools.count()

        def push(job: Job, rung: int) -> None:
            share = 1 / (len(job.rungs) + 1 - rung) if rung else 1 / (len(job.rungs) + 1)
            heapq.heappush(
                events, (self.clock.now + share * self.seconds(job), next(number), job, rung)
            )

        while True:
            while len(events) < self.count and (job := source.next()) is not None:
                push(job, 0)
            self.most = max(self.most, len(events))
            if not events:
                assert source.done()
                return
            assert not source.done()
            self.clock.now, _, job, rung = heapq.heappop(events)
            if rung < len(job.rungs):
                if source.report(job, job.rungs[rung], self.train(job).accuracy * (rung + 1)):
                    push(job, rung + 1)
                continue
            if len(self.order) == self.killed_at:
                return
            if len(self.order) == self.give_up_at:
                for each in (job, *(event[2] for event in events)):
                    source.given_up(each)
                return
            self._end(source, job)

    def _end(self, source: JobSource, job: Job) -> None:
        self.order.append(job.name)
        try:
            evaluation = self.train(job)
        except RuntimeError as error:
            source.failed(job, str(error))
        else:
            source.finished(job, evaluation)
