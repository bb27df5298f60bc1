"""SIGKILL, again and again at random moments, to each process that a parallel search is made of."""

import contextlib
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.faults.driver import (
    MOMENTS,
    Driver,
    assert_whole,
    evaluations,
    moments,
    search_words,
    trials_of,
    until,
    until_trained,
)

pytestmark = pytest.mark.slow


def finished(folder: Path) -> dict[int, str]:
    """Returns what has been finished, by the trial's number."""
    return {
        trial.number: trial.user_attrs["fingerprint"]
        for trial in trials_of(folder)
        if trial.state.name == "COMPLETE"
    }


def struck(driver: Driver, count: int, strike: Callable[[subprocess.Popen[bytes]], None]) -> None:
    """Starts the command, lets it finish `count` trainings more, strikes, and waits for its end."""
    with driver.running() as process:
        until_trained(driver, count, process)
        strike(process)
        until(lambda: process.poll() is not None, lambda: "it goes on")
    driver.assert_nothing_left(agents=True)


def test_the_driver(tmp_path: Path) -> None:
    driver = Driver(tmp_path / "run", search_words(MOMENTS * 4))
    before: dict[int, str] = {}
    for number, pause in enumerate(moments(1, 0.0, 1.0)):

        def strike(process: subprocess.Popen[bytes], pause: float = pause) -> None:
            time.sleep(pause)
            process.kill()

        struck(driver, 1 + 3 * number, strike)
        after = finished(driver.folder)
        assert before.items() <= after.items(), "a finished trial was lost"
        before = after
    driver.finish()
    assert before.items() <= finished(driver.folder).items()
    assert_whole(driver.folder, MOMENTS * 4)
    driver.assert_nothing_left()


def test_a_worker(tmp_path: Path) -> None:
    """Kills a worker whenever some trainings have ended: the command itself goes on to its end."""
    trials, draw, killed = MOMENTS * 4, random.Random(2), 0
    driver = Driver(tmp_path / "run", search_words(trials, "--retries", 10))
    with driver.running() as process:
        for number, pause in enumerate(moments(2, 0.0, 1.0)):
            until_trained(driver, 1 + 3 * number, process)
            time.sleep(pause)
            if workers := driver.workers():
                with contextlib.suppress(psutil.NoSuchProcess):
                    draw.choice(workers).kill()
                    killed += 1
        until(lambda: process.poll() is not None, lambda: "it goes on")
        assert process.returncode == 0, process.stderr and process.stderr.read().decode()
    assert killed > MOMENTS // 2
    assert_whole(driver.folder, trials)
    driver.assert_nothing_left()


def test_the_cluster_s_head(tmp_path: Path) -> None:
    """Kills what keeps the cluster together: the command ends by itself, and goes on when asked."""
    draw = random.Random(3)
    driver = Driver(tmp_path / "run", search_words(MOMENTS * 3))
    for number, pause in enumerate(moments(3, 0.0, 0.5)):
        before = finished(driver.folder)
        with driver.running() as process:
            until_trained(driver, 1 + 2 * number, process, or_ended=True)
            time.sleep(pause)
            if heads := driver.heads():
                draw.choice(heads).kill()
            until(lambda: process.poll() is not None, lambda: "it hangs without its cluster")
            assert process.stderr is not None
            errors = process.stderr.read().decode()
        assert "Traceback" not in errors
        assert before.items() <= finished(driver.folder).items(), "a finished trial was lost"
        driver.assert_nothing_left(agents=True)
    driver.finish()
    assert_whole(driver.folder, MOMENTS * 3)
    driver.assert_nothing_left()


def test_two_drivers_of_one_folder(tmp_path: Path) -> None:
    """Starts two, one some seconds after the other: one works, and the other one is told so."""
    trials = MOMENTS * 8
    driver = Driver(tmp_path / "run", search_words(trials))
    for pause in moments(4, 0.0, 8.0):
        with driver.running() as first:
            time.sleep(pause)
            with driver.running() as second:
                until(lambda: first.poll() is not None or second.poll() is not None)
                told, works = (second, first) if second.poll() is not None else (first, second)
                assert told.stderr is not None
                said = told.stderr.read().decode().splitlines()
                assert told.returncode == 1, said
                assert said[-1].endswith("another process is working in this run folder")
                assert works.poll() is None
                driver.processes()  # learns of them while their parents live
                works.kill()
        driver.assert_nothing_left(agents=True)
    driver.finish()
    assert_whole(driver.folder, trials)
    driver.assert_nothing_left()


def test_ctrl_c_once_gives_up_what_runs_and_keeps_what_has_finished(tmp_path: Path) -> None:
    driver = Driver(tmp_path / "run", search_words(MOMENTS * 3))
    for number, pause in enumerate(moments(5, 0.0, 0.5)):
        with driver.running() as process:
            until_trained(driver, 1 + 2 * number, process)
            time.sleep(pause)
            kept = evaluations(driver.folder)
            process.send_signal(signal.SIGINT)
            until(lambda: process.poll() is not None)
            assert process.stderr is not None
            said = process.stderr.read().decode().splitlines()
        assert process.returncode == 130, said
        assert said[-1].endswith("what had finished is kept, and the same command goes on")
        assert evaluations(driver.folder)[: len(kept)] == kept
        assert not [t for t in trials_of(driver.folder) if t.state.name == "RUNNING"]
        driver.assert_nothing_left()
    driver.finish()
    assert_whole(driver.folder, MOMENTS * 3)


def test_ctrl_c_twice_ends_at_once(tmp_path: Path) -> None:
    driver = Driver(tmp_path / "run", search_words(MOMENTS * 3))
    for number, pause in enumerate(moments(6, 0.0, 0.2)):
        with driver.running() as process:
            until_trained(driver, 1 + 2 * number, process)
            kept = evaluations(driver.folder)
            process.send_signal(signal.SIGINT)
            time.sleep(pause)
            process.send_signal(signal.SIGINT)
            until(lambda: process.poll() is not None)
        assert process.returncode != 0
        assert evaluations(driver.folder)[: len(kept)] == kept
        driver.assert_nothing_left()
    driver.finish()
    assert_whole(driver.folder, MOMENTS * 3)
