"""How many trainings run at once, where, and with which share of a machine each."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

from experiments.amounts import format_seconds
from search_spaces.errors import InputError

__all__ = ["Placement", "cores", "place", "timed_out"]

GRACE_SECONDS = 30.0
ROUNDING = 1e-9


def cores() -> int:
    """Counts the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Placement:
    """Says how many `workers` train at once, and which share of a machine each one gets.

    `address` is that of a cluster, `auto` for the one that this machine is in; None: this machine
    alone. `cpus` are cores, `gpus` GPUs or a fraction of one. A training whose worker is lost is
    begun again up to `retries` times. One that takes over `timeout` seconds, or its own limit, is
    ended; where it does not end by itself within `grace` seconds more, its worker is.
    """

    workers: int
    address: str | None
    cpus: float
    gpus: float
    retries: int = 2
    timeout: float | None = None
    grace: float = GRACE_SECONDS

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"--workers is {self.workers}; it must be at least 1")
        if not (math.isfinite(self.cpus) and self.cpus > 0):
            raise InputError(f"--cpus is {self.cpus:g}; a training needs some of a core")
        if not (math.isfinite(self.gpus) and self.gpus >= 0):
            raise InputError(f"--gpus is {self.gpus:g}; it must be 0 or more")
        if self.gpus > 1:
            raise InputError(f"--gpus is {self.gpus:g}; a training takes one GPU or a part of one")
        if self.retries < 0:
            raise InputError(f"--retries is {self.retries}; it must be 0 or more")

    @property
    def threads(self) -> int:
        """Returns how many threads a training computes with: never more than it has cores."""
        return max(1, int(self.cpus))

    def limit(self, own: float | None) -> float | None:
        """Returns the seconds that a training may take, whose `own` limit is that."""
        given = [each for each in (own, self.timeout) if each is not None]
        return min(given, default=None)

    def check(self, have_cpus: float, have_gpus: float, where: str) -> None:
        """Raises `InputError` where that many trainings need more than there is."""
        for name, each, have in (("core", self.cpus, have_cpus), ("GPU", self.gpus, have_gpus)):
            wanted = self.workers * each
            if wanted > have + ROUNDING:
                option = f"--{'cpus' if name == 'core' else 'gpus'}"
                least = f"at most --workers {math.floor(have / each + ROUNDING)}" if have else ""
                plural = "" if each == 1 else "s"
                raise InputError(
                    f"{self.workers} trainings at once with {each:g} {name}{plural} each need "
                    f"{wanted:g} {name}s, and {where} has {have:g}: "
                    f"{least or f'{option} 0'}{f' (or a smaller {option})' if have else ''}"
                )


def place(
    workers: int,
    *,
    address: str | None = None,
    cpus: float | None = None,
    gpus: float | None = None,
    retries: int = 2,
    timeout: float | None = None,
    have_cpus: float | None = None,
    have_gpus: float = 0,
    wants_gpu: bool = False,
) -> Placement:
    """Returns where trainings run; a share that is None is what there is, divided by `workers`.

    `have_cpus` (None: this machine's) and `have_gpus` are what there is. Without a GPU of its own,
    a training that `wants_gpu` shares one with as few others as possible. Raises `InputError` where
    there is less than was asked for.
    """
    have_cpus = cores() if have_cpus is None else have_cpus
    if cpus is None:
        cpus = max(1.0, float(have_cpus // max(1, workers)))
    if gpus is None:
        shared = math.ceil(workers / have_gpus) if wants_gpu and have_gpus else 0
        gpus = 1 / shared if shared else 0.0
    found = Placement(workers, address, cpus, gpus, retries, timeout)
    found.check(have_cpus, have_gpus, "this machine" if address is None else "the cluster")
    return found


def timed_out(limit: float) -> str:
    """Says of a training that it took too long."""
    return f"timed out after {format_seconds(limit)}"
