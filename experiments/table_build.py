"""Fills a latency table: chains of a space's blocks and a few whole networks, run in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np

from experiments.device import Device
from experiments.latency import measure
from experiments.latency_table import LatencyTable, MadeFor, typical
from experiments.piece_times import piece_times
from experiments.progress import Reporter
from search_spaces.chains import Chains
from search_spaces.codec import fingerprint
from search_spaces.latency import calibrate, piece_keys
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec

__all__ = ["CALIBRATING", "Stopwatch", "TableBuilder", "random_specs", "stopwatch"]

CALIBRATING = 10
CALIBRATING_SEED = 20_240_229  # of the networks that the table is fitted to
SAVE_EVERY = 5.0  # seconds
PIECES_SECONDS, WHOLE_SECONDS = 0.2, 0.3


def random_specs(
    space: SearchSpace, count: int, *, seed: int, without: set[str] | frozenset[str] = frozenset()
) -> list[ArchSpec]:
    """Draws `count` different networks of a space, none of them named in `without`.

    A space that has not so many gives those that were found in a hundred draws for each.
    """
    rng, found = np.random.default_rng(seed), dict[str, ArchSpec]()
    for _ in range(100 * count):
        spec = space.decode(space.sample(rng))
        if fingerprint(spec) not in without:
            found.setdefault(fingerprint(spec), spec)
        if len(found) == count:
            break
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Stopwatch:
    """Measures a spec: the seconds of its pieces, in order, and of the whole network."""

    pieces: Callable[[ArchSpec], list[float]]
    whole: Callable[[ArchSpec], float]


def stopwatch(made_for: MadeFor, device: Device) -> Stopwatch:
    """Returns what measures the work that a table is made for."""
    batch, work = made_for.batch, made_for.work
    return Stopwatch(
        partial(piece_times, device=device, batch=batch, work=work, seconds=PIECES_SECONDS),
        lambda spec: (
            measure(spec, device=device, batch=batch, work=work, seconds=WHOLE_SECONDS).median
        ),
    )


@dataclass
class TableBuilder:
    """Fills `table` at `path` until each piece and each calibrating network was run `visits` times.

    Chains and whole networks take turns, so that a machine which is slower for a while is slower
    for both. The table is saved every few seconds; another builder goes on from there.
    """

    table: LatencyTable
    path: Path
    space: SearchSpace
    stopwatch: Stopwatch
    visits: int
    seconds: float | None = None
    reporter: Reporter = field(default_factory=Reporter)

    def __post_init__(self) -> None:
        self.chains = Chains(self.space, {k: len(v) for k, v in self.table.pieces.items()})
        self.networks = random_specs(self.space, CALIBRATING, seed=CALIBRATING_SEED)
        self.saved = time.monotonic()

    def run(self) -> bool:
        """Measures until all is done or `seconds` are over; tells whether all is done."""
        reporter = self.reporter
        reporter.plan(len(self.chains.keys) * self.visits)
        reporter.skip(self._done())
        end = time.monotonic() + self.seconds if self.seconds else float("inf")
        for step in self._steps():
            before = self._done()
            step()
            reporter.done(self._done() - before)
            if time.monotonic() - self.saved > SAVE_EVERY:
                self._save()
            if time.monotonic() > end:
                break
        self._save()
        return self._finished()

    def _steps(self) -> Iterator[Callable[[], None]]:
        every = max(1, self.chains.length // len(self.networks))
        turn = 0
        while not self._finished():
            if turn % (every + 1) == 0 or self.chains.fewest() >= self.visits:
                yield self._network
            else:
                yield self._chain
            turn += 1

    def _chain(self) -> None:
        spec = self.chains.make()
        for key, seconds in zip(piece_keys(spec), self.stopwatch.pieces(spec), strict=True):
            self.table.pieces.setdefault(key, []).append(seconds)

    def _network(self) -> None:
        samples = self.table.networks
        spec = min(self.networks, key=lambda spec: len(samples.get(fingerprint(spec), ())))
        samples.setdefault(fingerprint(spec), []).append(self.stopwatch.whole(spec))

    def _done(self) -> int:
        pieces = self.table.pieces
        return sum(min(self.visits, len(pieces.get(key, ()))) for key in self.chains.keys)

    def _finished(self) -> bool:
        networks = self.table.networks
        runs = min(len(networks.get(fingerprint(spec), ())) for spec in self.networks)
        return runs >= self.visits and self.chains.fewest() >= self.visits

    def _save(self) -> None:
        """Writes the table, fitted to those calibrating networks whose pieces are all known."""
        table, samples = self.table.blocks(), self.table.networks
        known = [s for s in self.networks if fingerprint(s) in samples and not table.missing(s)]
        if len(known) >= 3:
            fitted = calibrate(table, known, [typical(samples[fingerprint(s)]) for s in known])
            self.table.scale, self.table.offset = fitted.scale, fitted.offset
        self.table.save(self.path)
        self.saved = time.monotonic()
