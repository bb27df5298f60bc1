"""What a run has cost so far: seconds by step, kept while they pass."""

from __future__ import annotations

import contextlib
import json
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from experiments.files import write_atomic
from search_spaces.errors import InputError, RunError

__all__ = ["Ledger"]

EVERY = 2.0  # seconds that a process which is killed may leave uncounted

Spent = dict[str, float]


class Ledger:
    """Keeps ledger.json: wall, processor (`cpu`) and, where there are any, GPU seconds by step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._elsewhere: Spent = {"cpu": 0.0, "gpu": 0.0}

    def read(self) -> dict[str, Spent]:
        """Reads the seconds spent so far, by step."""
        if not self.path.is_file():
            return {}
        ledger: dict[str, Spent] = json.loads(self.path.read_text())
        return ledger

    def add_spent(self, cpu: float, gpu: float) -> None:
        """Takes in seconds that a worker process spent, for the step that is timed."""
        self._elsewhere["cpu"] += cpu
        self._elsewhere["gpu"] += gpu

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Adds the seconds of a step, those of worker processes included, however it ends.

        They are written down every few seconds, so that what a killed process spent counts too.
        """
        former, begun, ended = self.read().get(step, {}), self._now(), threading.Event()

        def write() -> None:
            spent = {name: value - begun[name] for name, value in self._now().items()}
            sums = {name: former.get(name, 0.0) + value for name, value in spent.items()}
            row = {**former, **{n: round(v, 3) for n, v in sums.items() if v or n != "gpu"}}
            write_atomic(self.path, json.dumps({**self.read(), step: row}, indent=2) + "\n")

        def beat() -> None:
            while not ended.wait(EVERY):
                with contextlib.suppress(OSError, InputError, RunError):  # the last one tells
                    write()

        thread = threading.Thread(target=beat, name="ledger", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            write()

    def _now(self) -> Spent:
        return {
            "wall": time.monotonic(),
            "cpu": _cpu_seconds() + self._elsewhere["cpu"],
            "gpu": self._elsewhere["gpu"],
        }


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
