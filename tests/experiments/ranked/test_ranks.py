"""`nas train --ranks 2` through Ray Train, on cores: what it trains, and what it survives."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file

from experiments.checkpoint import read_info
from search_spaces.codec import spec_to_json
from tests.conftest import COMMAND, ROOT
from tests.experiments.training.ranked import TINY

TRAIN = (
    *("--data", "digits", "--limit", 300, "--set", "dropout=0", "--set", "lr=0.05"),
    *("--set", "patience=0"),
)


def start(folder: Path, *words: object) -> "subprocess.Popen[str]":
    """Trains a network so small that rounding does not grow in it."""
    spec = folder.parent / "tiny.json"
    spec.write_text(spec_to_json(TINY))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, "train", str(spec), *map(str, (*TRAIN, *words)), "--out", str(folder), "--json"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def finished(process: "subprocess.Popen[str]") -> Any:
    out, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    return json.loads(out)


def descendants(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def await_state(folder: Path, process: "subprocess.Popen[str]") -> None:
    while not list(folder.glob(".*.resume")):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


def gone(processes: list[psutil.Process]) -> bool:
    """Waits for processes; Ray's agents end a minute after a SIGKILL."""
    _, alive = psutil.wait_procs(processes, timeout=120)
    return not alive


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trains in one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    finished(start(folder, "--epochs", 3))
    return folder


def assert_same_training(folder: Path, alone: Path) -> None:
    ours, theirs = (read_info(path / "tiny.safetensors") for path in (folder, alone))
    losses = [[row[2] for row in info.metrics["history"]] for info in (ours, theirs)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)
    one, two = (load_file(path / "tiny.safetensors") for path in (folder, alone))
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-2, atol=1e-3, msg=name)
    assert ours.same_training(theirs)
    stray = [p.name for p in folder.iterdir() if p.name.startswith(".") and p.name != ".lock"]
    assert stray == []


@pytest.mark.slow
def test_two_ranks_train_what_one_process_trains(tmp_path: Path, alone: Path) -> None:
    process = start(tmp_path / "run", "--epochs", 3, "--ranks", 2)
    await_state(tmp_path / "run", process)
    started = descendants(process)
    document = finished(process)
    assert document["epochs"] == 3
    assert_same_training(tmp_path / "run", alone)
    assert gone(started)


def kill_driver(process: "subprocess.Popen[str]") -> None:
    process.kill()


def kill_a_rank(process: "subprocess.Popen[str]") -> None:
    ranks = [p for p in descendants(process) if "RayTrainWorker" in " ".join(p.cmdline())]
    assert len(ranks) == 2
    ranks[1].send_signal(signal.SIGKILL)


@pytest.mark.slow
def test_a_training_goes_on_where_its_command_was_killed(tmp_path: Path, alone: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, "--epochs", 3, "--ranks", 2)
    await_state(folder, process)
    started = descendants(process)
    kill_driver(process)
    process.communicate()
    assert gone(started)
    assert not (folder / "tiny.safetensors").exists()
    finished(start(folder, "--epochs", 3, "--ranks", 2))
    assert_same_training(folder, alone)


@pytest.mark.slow
def test_a_lost_rank_costs_no_more_than_the_epoch_under_way(tmp_path: Path, alone: Path) -> None:
    folder = tmp_path / "run"
    process = start(folder, "--epochs", 3, "--ranks", 2)
    await_state(folder, process)
    kill_a_rank(process)
    finished(process)
    assert_same_training(folder, alone)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (("--set", "lr=999", "--epochs", 4), 1, "the loss is nan"),
        (("--epochs", 2, "--set", "compile=true"), 2, "--set compile=false"),
    ],
)
def test_the_training_s_own_error_is_said_in_one_line_and_not_tried_again(
    tmp_path: Path, words: tuple[object, ...], status: int, said: str
) -> None:
    process = start(tmp_path / "run", "--ranks", 2, *words)
    _, errors = process.communicate(timeout=900)
    assert process.returncode == status
    assert said in errors.splitlines()[-1]
    assert "Traceback" not in errors


@pytest.mark.slow
def test_ctrl_c_leaves_no_process_behind(tmp_path: Path) -> None:
    starts: Callable[..., Any] = start
    process = starts(tmp_path / "run", "--epochs", 300, "--ranks", 2)
    await_state(tmp_path / "run", process)
    started = descendants(process)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert gone(started)
