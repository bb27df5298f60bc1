"""Discrete events of a search on many workers: who trains when, what is lost, who waits.

Nothing is trained. Workers take trials as a sampler, which one process asks for one after another,
suggests them; nodes of several workers are lost at random moments and come back; what ran there is
given to others. What comes out is a record of every attempt, from which all shares are counted.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from search_spaces.errors import InputError

__all__ = ["Asker", "Attempt", "Course", "Fleet", "Shares", "simulate"]

PATIENCE = 5  # times the mean between losses: a training as long takes e⁵ = 148 attempts


class Asker(Protocol):
    """Suggests trials, which are numbered from 0."""

    def ask(self, trial: int) -> float:
        """Suggests a trial; returns the seconds that took."""
        ...

    def tell(self, trial: int) -> None:
        """Hears that a trial has ended."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Says what workers there are, in nodes of `node`; all times are in seconds.

    A node is lost every `losses` in the mean, exponentially distributed, and back `away` later. A
    share `slow` of the nodes takes `slowness` times as long over every training.
    """

    workers: int
    node: int = 8
    losses: float = math.inf
    away: float = 600.0
    slow: float = 0.0
    slowness: float = 2.0

    def __post_init__(self) -> None:
        if self.workers < 1 or self.node < 1:
            raise InputError(f"{self.workers} workers in nodes of {self.node}: 1 or more of each")
        if not 0 <= self.slow <= 1 or self.slowness < 1:
            raise InputError(
                f"{self.slow:g} of the nodes {self.slowness:g} times as slow: the share must be in "
                "[0, 1], the factor at least 1"
            )

    @property
    def nodes(self) -> int:
        """Counts the nodes; the last may have fewer workers than the others."""
        return math.ceil(self.workers / self.node)

    def on(self, node: int) -> range:
        """Returns the workers of a node."""
        return range(node * self.node, min((node + 1) * self.node, self.workers))


@dataclass(frozen=True, slots=True)
class Attempt:
    """Records that a worker trained a trial from `start` to `end`, and whether to its end."""

    trial: int
    worker: int
    start: float
    end: float
    finished: bool


@dataclass(frozen=True, slots=True)
class Shares:
    """Divides the time of all workers, in worker-seconds: it adds up to all that there was."""

    useful: float
    lost: float
    away: float
    idle: float

    @property
    def utilisation(self) -> float:
        """Returns the useful share of the time in which workers were there."""
        return self.useful / (self.useful + self.lost + self.idle)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Records a simulation: attempts, absences (worker, from, to), seconds of asking, in all."""

    fleet: Fleet
    attempts: list[Attempt]
    absences: list[tuple[int, float, float]]
    asks: list[float]
    seconds: float

    @property
    def given_out(self) -> float:
        """Returns when the last trial was first given to a worker: from then on work runs out."""
        first: dict[int, float] = {}
        for attempt in self.attempts:
            first[attempt.trial] = min(attempt.start, first.get(attempt.trial, math.inf))
        return max(first.values())

    def shares(self, until: float | None = None) -> Shares:
        """Divides the workers' time up to a moment, by default the end."""
        end = self.seconds if until is None else until

        def spent(spans: Sequence[tuple[float, float]]) -> float:
            return float(sum(min(after, end) - min(before, end) for before, after in spans))

        useful, lost = (
            spent([(each.start, each.end) for each in self.attempts if each.finished == finished])
            for finished in (True, False)
        )
        away = spent([(before, after) for _, before, after in self.absences])
        return Shares(useful, lost, away, self.fleet.workers * end - useful - lost - away)


def simulate(
    fleet: Fleet,
    times: Sequence[float],
    asker: Asker,
    *,
    generation: int | None = None,
    timeout: float = math.inf,
    seed: int,
) -> Course:
    """Trains one trial of each of the `times` (seconds) on a fleet; the same seed gives the same.

    A worker that is free gets the next suggestion at once; with `generation`, only so many are
    asked for until all of them have ended. What was lost comes before what is new. No training
    takes longer than `timeout`: it is ended then. Raises `InputError` for no times, some that are
    not positive, and nodes too short-lived for them.
    """
    if not len(times) or min(times) <= 0:
        raise InputError("training times are wanted, all of them positive")
    longest = min(timeout, max(times) * (fleet.slowness if fleet.slow else 1))
    if longest > PATIENCE * fleet.losses:
        raise InputError(
            f"a training of {longest:,.0f} s hardly ever ends on a node that is lost every "
            f"{fleet.losses:,.0f} s; at least a {PATIENCE}th of the longest is wanted"
        )
    return _Simulation(fleet, times, asker, generation or len(times), timeout, seed).run()


class _Simulation:
    """Holds what is so at a moment: who is free, what waits, and the events to come, by time."""

    def __init__(
        self,
        fleet: Fleet,
        times: Sequence[float],
        asker: Asker,
        generation: int,
        timeout: float,
        seed: int,
    ) -> None:
        self.fleet, self.times, self.timeout = fleet, times, timeout
        self.asker, self.generation = asker, generation
        self.rng = np.random.default_rng(seed)
        slow = self.rng.permutation(fleet.nodes)[: round(fleet.slow * fleet.nodes)]
        self.slow = {worker for node in slow.tolist() for worker in fleet.on(node)}
        self.now, self.asked, self.ended, self.asking = 0.0, 0, 0, False
        self.free, self.ready = deque(range(fleet.workers)), deque[int]()
        self.running: dict[int, tuple[int, float, int]] = {}  # by worker: trial, start, serial
        self.gone: dict[int, float] = {}  # nodes, and since when
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.serials = itertools.count()
        self.attempts, self.asks = list[Attempt](), list[float]()
        self.absences = list[tuple[int, float, float]]()

    def run(self) -> Course:
        """Goes from event to event until every trial has ended."""
        for node in range(self.fleet.nodes):
            self._lose_later(node)
        self._give()
        while self.ended < len(self.times):
            self.now, _, happen = heapq.heappop(self.events)
            happen()
            self._give()
        for node, since in self.gone.items():
            self._absent(node, since)
        return Course(self.fleet, self.attempts, self.absences, self.asks, self.now)

    def _after(self, seconds: float, happen: Callable[[], None]) -> int:
        serial = next(self.serials)
        heapq.heappush(self.events, (self.now + seconds, serial, happen))
        return serial

    def _give(self) -> None:
        """Gives free workers what is ready, and asks for one more if there are others."""
        while self.free and self.ready:
            self._start(self.free.popleft(), self.ready.popleft())
        released = self.generation * (1 + self.ended // self.generation)
        if self.free and not self.asking and self.asked < min(released, len(self.times)):
            self.asking = True
            self.asks.append(self.asker.ask(self.asked))
            self._after(self.asks[-1], self._answered)

    def _answered(self) -> None:
        self.asking = False
        self.ready.append(self.asked)
        self.asked += 1

    def _start(self, worker: int, trial: int) -> None:
        seconds = self.times[trial] * (self.fleet.slowness if worker in self.slow else 1)
        serial = self._after(min(seconds, self.timeout), partial(self._end, worker))
        self.running[worker] = trial, self.now, serial

    def _end(self, worker: int) -> None:
        trial, start, _ = self.running.pop(worker)
        self.attempts.append(Attempt(trial, worker, start, self.now, finished=True))
        self.asker.tell(trial)
        self.ended += 1
        self.free.append(worker)

    def _lose_later(self, node: int) -> None:
        if math.isfinite(self.fleet.losses):
            seconds = float(self.rng.exponential(self.fleet.losses))
            self._after(seconds, partial(self._lose, node))

    def _lose(self, node: int) -> None:
        self.gone[node] = self.now
        workers = set(self.fleet.on(node))
        ends = {self.running[worker][2] for worker in workers & self.running.keys()}
        self.events = [event for event in self.events if event[1] not in ends]
        heapq.heapify(self.events)
        for worker in sorted(workers & self.running.keys(), reverse=True):
            trial, start, _ = self.running.pop(worker)
            self.attempts.append(Attempt(trial, worker, start, self.now, finished=False))
            self.ready.appendleft(trial)
        self.free = deque(worker for worker in self.free if worker not in workers)
        self._after(self.fleet.away, partial(self._return, node))

    def _return(self, node: int) -> None:
        self._absent(node, self.gone.pop(node))
        self.free.extend(self.fleet.on(node))
        self._lose_later(node)

    def _absent(self, node: int, since: float) -> None:
        self.absences.extend((worker, since, self.now) for worker in self.fleet.on(node))
