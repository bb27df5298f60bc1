"""SIGKILL at any moment: the same command finishes the job, runs nothing twice, loses nothing."""

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import COMMAND, ROOT, TINY_RUN

# A job started in the background ignores SIGINT, and so would what it starts.
HANDLER = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
INTERRUPTIBLE = (*COMMAND[:2], HANDLER + COMMAND[2])

Moment = Callable[[Path], bool]


def start(folder: Path, *words: object) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*INTERRUPTIBLE, *map(str, words or ("run", *TINY_RUN)), "--out", str(folder)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def kill_when(folder: Path, moment: Moment, *words: object) -> None:
    """Starts the command and kills it as soon as `moment` has come."""
    with start(folder, *words) as process:
        while not moment(folder):
            if process.poll() is not None:
                assert process.stderr is not None
                pytest.fail(f"ended before it was killed: {process.stderr.read().decode()}")
            time.sleep(0.002)
        process.kill()
    assert process.returncode == -signal.SIGKILL


def finish(folder: Path, *words: object) -> None:
    with start(folder, *words) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()


def evaluations(folder: Path) -> list[dict[str, Any]]:
    """Reads what the log holds whole."""
    path = folder / "evaluations.jsonl"
    lines = path.read_text().splitlines() if path.is_file() else []
    return [json.loads(line) for line in lines if line.endswith("}}")]


def after(count: int) -> Moment:
    return lambda folder: len(evaluations(folder)) >= count


def training(part: str) -> Moment:
    """Is there once a network of `part` is half trained, or trained."""
    return lambda folder: any(
        (folder / part).glob(pattern) for pattern in (".*.resume", "*.safetensors")
    ) if (folder / part).is_dir() else False  # fmt: skip


def without(document: Any, *names: str) -> Any:
    """Returns a document less what may differ from run to run."""
    if isinstance(document, dict):
        return {k: without(v, *names) for k, v in document.items() if k not in names}
    if isinstance(document, list):
        return [without(entry, *names) for entry in document]
    return document


def assert_same_run(folder: Path, whole: Path) -> None:
    done, wanted = evaluations(folder), evaluations(whole)
    keys = [entry["key"] for entry in done]
    assert len(set(keys)) == len(keys), "a finished training was run again"
    assert without(done, "seconds") == without(wanted, "seconds")
    for name in ("results.json", "best.json", "front.json", "scaling/constants.json"):
        one, two = (json.loads((path / name).read_text()) for path in (folder, whole))
        # A trial that was killed keeps its number, so that later ones count on from it.
        numbers = ("trial", "name") if name == "front.json" else ("trial",)
        assert without(one, "seconds", *numbers) == without(two, "seconds", *numbers), name
    for path in whole.rglob("*.safetensors"):
        ours, theirs = load_file(folder / path.relative_to(whole)), load_file(path)
        assert all(torch.equal(value, ours[name]) for name, value in theirs.items()), path
    assert_study(folder, 3)
    stray = [p.name for p in folder.rglob("*") if p.name.startswith(".") and p.name != ".lock"]
    assert stray == []


def assert_study(folder: Path, count: int) -> None:
    study = optuna.load_study(study_name="search", storage=f"sqlite:///{folder / 'study.db'}")
    states = {trial.state.name for trial in study.trials}
    assert states <= {"COMPLETE", "FAIL"}
    evaluated = [
        trial.user_attrs["fingerprint"]
        for trial in study.trials
        if trial.state.name == "COMPLETE" and "duplicate_of" not in trial.user_attrs
    ]
    assert len(evaluated) == len(set(evaluated)) == count


def test_killed_in_search_in_grid_and_in_training(
    tmp_path: Path, finished_run: tuple[Path, str]
) -> None:
    folder = tmp_path / "run"
    kill_when(folder, after(2))  # of three trials
    assert not (folder / "best.json").exists()
    with (folder / "evaluations.jsonl").open("a") as log:  # what a power cut can leave
        log.write('{"key":"torn","evaluation":{"accu')
    (folder / ".tmp-best-abc.json").write_text('{"form')
    kill_when(folder, after(6))  # three trials, two confirmations, one of two candidates
    assert not (folder / "scaling" / "constants.json").exists()
    kill_when(folder, training("family"))
    assert not (folder / "results.json").exists()
    finish(folder)
    assert_same_run(folder, finished_run[0])


@pytest.mark.slow
def test_killed_before_anything_was_done_and_near_the_end(
    tmp_path: Path, finished_run: tuple[Path, str]
) -> None:
    folder = tmp_path / "run"
    kill_when(folder, lambda path: (path / "run.toml").is_file())
    kill_when(folder, training("baselines"))
    kill_when(folder, lambda path: (path / "results.json").is_file())
    finish(folder)
    assert_same_run(folder, finished_run[0])


def test_ctrl_c_keeps_what_has_finished(tmp_path: Path) -> None:
    words = ("search", *TINY_RUN[:12])
    with start(tmp_path / "run", *words) as process:
        while not after(1)(tmp_path / "run"):
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
    last = errors.decode().splitlines()[-1]
    assert process.returncode == 130
    assert last == "nas: stopped; what had finished is kept, and the same command goes on"
    kept = evaluations(tmp_path / "run")
    finish(tmp_path / "run", *words)
    assert evaluations(tmp_path / "run")[: len(kept)] == kept
    assert_study(tmp_path / "run", 3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment(tmp_path: Path, finished_run: tuple[Path, str], seed: int) -> None:
    draw, folder = random.Random(seed), tmp_path / "run"
    for _ in range(12):
        with start(folder) as process:
            try:
                process.wait(draw.uniform(1.0, 9.0))
            except subprocess.TimeoutExpired:
                process.kill()
    finish(folder)
    assert_same_run(folder, finished_run[0])


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["gp", "nsga2"])
def test_a_long_search_killed_again_and_again(tmp_path: Path, sampler: str) -> None:
    words = (
        *("search", "--data", "digits", "--limit", 200, "--target-macs", "2M", "--search-epochs"),
        *(1, "--trials", 24, "--confirm", 0, "--sampler", sampler),
    )
    finish(tmp_path / "whole", *words)
    for count in (1, 7, 12, 20, 21):
        kill_when(tmp_path / "run", after(count), *words)
    finish(tmp_path / "run", *words)
    one, two = (evaluations(tmp_path / name) for name in ("run", "whole"))
    assert without(one, "seconds") == without(two, "seconds")
    assert len(one) == 24
    assert_study(tmp_path / "run", 24)


@pytest.mark.slow
def test_a_training_killed_in_every_epoch_ends_with_the_same_weights(tmp_path: Path) -> None:
    words = (
        *("train", "mobilenetv2", "--data", "digits", "--limit", 400, "--resolution", 16),
        *("--max-stride", 8, "--epochs", 5),
    )
    finish(tmp_path / "whole", *words)
    seen = b""

    def another_epoch(folder: Path) -> bool:
        nonlocal seen
        for path in folder.glob(".*.resume"):
            if (content := path.read_bytes()) != seen:
                seen = content
                return True
        return False

    for _ in range(4):
        kill_when(tmp_path / "run", another_epoch, *words)
    finish(tmp_path / "run", *words)
    one, two = (load_file(tmp_path / n / "mobilenetv2.safetensors") for n in ("run", "whole"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["fast", "efficientnet_v2"])
def test_a_training_killed_between_steps_ends_with_the_same_weights(
    tmp_path: Path, recipe: str
) -> None:
    """Kills by SIGKILL, wherever the process is, one that keeps its state after every step."""
    words = [
        *("train", "mobilenetv2", "--data", "digits", "--limit", 400, "--resolution", 16),
        *("--max-stride", 8, "--epochs", 3, "--recipe", recipe, "--set", "batch_size=48"),
    ]
    finish(tmp_path / "whole", *words)
    keeping = "import functools, experiments.session as s; "
    keeping += "s.Engine = functools.partial(s.Engine, checkpoint_seconds=0.0); "
    command = [INTERRUPTIBLE[0], "-c", keeping + INTERRUPTIBLE[2], *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    draw, states = random.Random(1), set[bytes]()
    for _ in range(6):
        with subprocess.Popen(
            [*command, "--out", str(tmp_path / "run")], env=environment, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None and not (
                found := {p.read_bytes() for p in (tmp_path / "run").glob(".*.resume")} - states
            ):
                time.sleep(0.01)
            states |= found
            time.sleep(draw.uniform(0, 0.2))
            process.kill()
    assert len(states) == 6
    finish(tmp_path / "run", *words)
    one, two = (load_file(tmp_path / n / "mobilenetv2.safetensors") for n in ("run", "whole"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
