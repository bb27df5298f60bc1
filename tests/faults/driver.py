"""A command under fire: started, struck down, started again, and what it leaves behind."""

from __future__ import annotations

import contextlib
import json
import os
import random
import sqlite3
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import psutil

from tests.conftest import ROOT
from tests.test_resume import INTERRUPTIBLE

__all__ = [
    "MOMENTS",
    "PATIENCE",
    "Driver",
    "assert_whole",
    "evaluations",
    "moments",
    "search_words",
    "trials_of",
    "until",
    "until_trained",
]

MARK = "NAS_FAULT_RUN"
MOMENTS = int(os.environ.get("NAS_FAULT_MOMENTS", "25"))
PATIENCE = 300.0  # seconds in which a run must get on; a hang, not a speed, is what it finds
HEADS = ("gcs_server", "raylet")
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")


def search_words(trials: int, *more: object) -> tuple[str, ...]:
    """Returns the words of a search of many short trainings, two at once."""
    words = (
        *("search", "--data", "digits", "--limit", 200, "--target-macs", "2M", "--confirm", 0),
        *("--search-epochs", 1, "--sampler", "random", "--device", "cpu", "--workers", 2),
        *("--trials", trials, *more),
    )
    return tuple(map(str, words))


@dataclass
class Driver:
    """Starts a command for one run folder, again and again; knows the processes it began.

    They are known by a mark in their environment, which whatever they start inherits.
    """

    folder: Path
    words: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    known: set[psutil.Process] = field(default_factory=set)

    def start(self) -> subprocess.Popen[bytes]:
        """Starts the command in a group of its own."""
        environment = {**os.environ, "OMP_NUM_THREADS": "1", MARK: self.mark, **self.environment}
        paths = (environment.get("PYTHONPATH", ""), str(ROOT))
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        return subprocess.Popen(
            [*self.prefix, *INTERRUPTIBLE, *self.words, "--out", str(self.folder)],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip

    @contextlib.contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Runs the command while something is done to it; ends all of it if that fails."""
        process = self.start()
        try:
            yield process
        except BaseException:
            process.kill()
            for each in self.processes():
                each.kill()
            raise
        finally:
            process.wait()
            assert process.stderr is not None
            process.stderr.close()

    def finish(self, seconds: float = PATIENCE) -> None:
        """Runs the command to its end, which comes within some time."""
        process = self.start()
        try:
            _, errors = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        assert process.returncode == 0, errors.decode()

    def processes(self) -> list[psutil.Process]:
        """Returns every living process that the command began, directly or not.

        Ray's workers write their titles over their environment: they are known by their parents,
        and from then on by themselves.
        """
        living = {each.pid: each for each in psutil.process_iter()}
        found = {pid for pid, each in living.items() if each in self.known or self._is_marked(each)}
        while True:
            more = {pid for pid, each in living.items() if _parent(each) in found} - found
            if not more:
                break
            found |= more
        self.known |= {living[pid] for pid in found}
        return [living[pid] for pid in found if _is_alive(living[pid])]

    def _is_marked(self, process: psutil.Process) -> bool:
        with contextlib.suppress(psutil.Error):
            return process.environ().get(MARK) == self.mark
        return False

    def workers(self) -> list[psutil.Process]:
        """Returns the processes that train."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                title = " ".join(process.cmdline())
                if title.startswith("ray::") and "Trainable" in title:
                    found.append(process)
        return found

    def heads(self) -> list[psutil.Process]:
        """Returns the processes that keep the cluster together."""
        found = []
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                if any(name in process.name() for name in HEADS):
                    found.append(process)
        return found

    def assert_nothing_left(self, *, agents: bool = False) -> None:
        """Holds the command to leaving no process behind, some seconds after it has ended.

        Ray's `agents` end a minute after a cluster that was killed: where many are killed, only the
        last one's are waited for.
        """

        def left() -> list[psutil.Process]:
            return [p for p in self.processes() if not (agents and _is_agent(p))]

        until(lambda: not left(), lambda: f"still running: {left()}")


def _is_agent(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline()).startswith(AGENTS)
    return True  # it has just ended


def _parent(process: psutil.Process) -> int | None:
    with contextlib.suppress(psutil.Error):
        return int(process.ppid())
    return None


def _is_alive(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def until(
    what: Callable[[], object],
    why: Callable[[], str] = lambda: "it did not come",
    *,
    seconds: float = PATIENCE,
    process: subprocess.Popen[bytes] | None = None,
) -> None:
    """Waits for something; fails where the process ends first, or it never comes."""
    end = time.monotonic() + seconds
    while not what():
        if process is not None and process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"it ended: {process.stderr.read().decode()[-2000:]}")
        if time.monotonic() > end:
            raise AssertionError(why())
        time.sleep(0.01)


def evaluations(folder: Path) -> list[dict[str, Any]]:
    """Reads the finished trainings that the log holds whole."""
    path = folder / "evaluations.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}}")]


def until_trained(
    driver: Driver, count: int, process: subprocess.Popen[bytes], *, or_ended: bool = False
) -> None:
    """Waits until so many trainings have finished."""

    def enough() -> bool:
        ended = or_ended and process.poll() is not None
        return ended or len(evaluations(driver.folder)) >= count

    until(enough, process=None if or_ended else process)
    driver.processes()  # learns of them while their parents live


def trials_of(folder: Path, storage: str | None = None) -> list[optuna.trial.FrozenTrial]:
    """Reads the only study's trials; none where it has not begun."""
    database = folder / "study.db"
    if storage is None and not database.is_file():
        return []
    opened = optuna.storages.RDBStorage(storage or f"sqlite:///{database}")
    try:
        names = optuna.get_all_study_names(opened)
        return optuna.load_study(study_name=names[0], storage=opened).trials if names else []
    finally:
        opened.remove_session()
        opened.engine.dispose()


def assert_whole(
    folder: Path,
    trials: int,
    *,
    failures: Callable[[str], bool] | None = None,
    storage: str | None = None,
) -> None:
    """Holds a finished search to having lost nothing, repeated nothing, and done what was asked.

    `failures` tells which errors a trial may have ended with (None: none may).
    """
    found = trials_of(folder, storage)
    states = Counter(trial.state.name for trial in found)
    assert states["RUNNING"] == 0, states
    errors = [t.user_attrs["error"] for t in found if "error" in t.user_attrs]
    assert all(failures is not None and failures(error) for error in errors), errors
    done = [
        trial.user_attrs["fingerprint"]
        for trial in found
        if trial.state.name == "COMPLETE" and "duplicate_of" not in trial.user_attrs
    ]
    assert len(done) == len(set(done)) == trials, (len(done), len(set(done)), trials)
    keys = [entry["key"] for entry in evaluations(folder)]
    assert len(keys) == len(set(keys)), "a finished training was run again"
    assert {key.split(":")[0] for key in keys} == set(done), "the log and the study differ"
    if storage is None:
        with contextlib.closing(sqlite3.connect(folder / "study.db")) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert_ledger(folder)
    stray = [p.name for p in folder.rglob("*") if p.name.startswith(".") and p.name != ".lock"]
    assert stray == []


def assert_ledger(folder: Path) -> None:
    """Holds the ledger to covering what the trainings that were finished took."""
    spent = json.loads((folder / "ledger.json").read_text())["search"]
    trained = sum(entry["evaluation"]["seconds"] for entry in evaluations(folder))
    assert 2 * spent["wall"] >= 0.9 * trained, (spent, trained)
    assert spent["cpu"] > 0


def moments(seed: int, low: float, high: float) -> Iterator[float]:
    """Yields the seconds to wait before each blow."""
    draw = random.Random(seed)
    for _ in range(MOMENTS):
        yield draw.uniform(low, high)
