"""What TensorBoard and MLflow hold of a training, read back with their own readers."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from experiments.checkpoint import read_info
from experiments.recipes import Recipe
from experiments.session import Session
from experiments.tracking import Tracking, parse_trackers
from experiments.tracking.mlflow import EXPERIMENT, database
from experiments.training import loop
from experiments.training.state import EpochRecord
from search_spaces.codec import spec_to_json
from search_spaces.errors import InputError, RunError
from search_spaces.spec import ArchSpec
from tests.conftest import Caller

TRAIN = ("--data", "digits", "--limit", 200, "--epochs", 2, "--device", "cpu", "--json")
Curves = dict[str, list[tuple[int, float]]]
CURVES = {
    "train/loss": "loss",
    "train/lr": "lr",
    "train/images_per_second": "images_per_second",
    "train/memory_bytes": "memory",
    "train/resolution": "resolution",
    "train/seconds": "seconds",
    "validation/accuracy": "accuracy",
}


@pytest.fixture
def arch(tiny: ArchSpec, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(spec_to_json(tiny))
    return path


def events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def tensorboard_curves(folder: Path) -> Curves:
    read = events(folder)
    tags = read.Tags()["scalars"]
    return {tag: [(e.step, e.value) for e in read.Scalars(tag)] for tag in tags}


@pytest.fixture
def quiet() -> Iterator[None]:
    """Lets MLflow's own code use what SQLAlchemy no longer likes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def mlflow_runs(address: str) -> list[tuple[Any, Curves]]:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=address)
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    runs = []
    for run in client.search_runs([experiment.experiment_id]):
        number, names = run.info.run_id, run.data.metrics
        curves = {
            name: [(m.step, m.value) for m in client.get_metric_history(number, name)]
            for name in names
        }
        runs.append((run, curves))
    return runs


def assert_curves(curves: Curves, folder: Path) -> None:
    """Compares curves with the run's own table, and the last values with the checkpoint's."""
    frame = pd.read_parquet(folder / "metrics.parquet")
    for name, column in CURVES.items():
        known = frame[["epoch", column]].dropna()
        assert [step for step, _ in curves[name]] == list(known["epoch"]), name
        values = [value for _, value in curves[name]]
        assert values == pytest.approx(list(known[column]), rel=1e-6), name
    metrics = read_info(folder / "tiny.safetensors").metrics
    for name in ("test", "validation"):
        ((step, value),) = curves["test/accuracy" if name == "test" else "validation/kept"]
        assert step == 2
        assert value == pytest.approx(metrics[f"{name}_accuracy"])


def stop_in_the_second_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = loop.Engine

    def stop(record: loop.StepRecord) -> None:
        if (record.epoch, record.step) == (2, 1):
            raise KeyboardInterrupt

    def engine(**options: object) -> loop.Engine:
        return plain(**{**options, "checkpoint_seconds": 0.0, "on_step": stop})  # type: ignore[arg-type]

    monkeypatch.setattr("experiments.session.Engine", engine)


def test_a_training_that_goes_on_goes_on_with_its_curves(
    call: Caller,
    arch: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    quiet: None,
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "tracked"
    assert call("train", arch, *TRAIN, "--out", "plain").status == 0
    with monkeypatch.context() as patch:
        stop_in_the_second_epoch(patch)
        track = ("--track", "tensorboard, mlflow")
        assert call("train", arch, *TRAIN, *track, "--out", "tracked").status == 130
    assert [step for step, _ in tensorboard_curves(folder / "tensorboard/tiny")["train/loss"]] == [
        1
    ]
    ((stopped, curves),) = mlflow_runs(database(folder))
    assert stopped.info.status == "KILLED"
    assert [step for step, _ in curves["train/loss"]] == [1]
    for _ in range(2):  # the second time it is finished, and read back
        words = ("--resume", "tracked", "--track", "mlflow", "--track", "tensorboard")
        outcome = call("train", *words, "--device", "cpu", "--json")
        assert outcome.document["test_accuracy"] >= 0  # nothing else is on stdout
        assert_curves(tensorboard_curves(folder / "tensorboard/tiny"), folder)
        ((run, curves),) = mlflow_runs(database(folder))
        assert (run.info.run_id, run.info.status) == (stopped.info.run_id, "FINISHED")
        assert_curves(curves, folder)
    assert run.info.run_name == "tiny"
    assert set(Recipe.model_fields) < set(run.data.params)
    assert (run.data.params["epochs"], run.data.params["optimizer"]) == ("2", "sgd")
    one, two = (load_file(tmp_path / n / "tiny.safetensors") for n in ("plain", "tracked"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert not (tmp_path / "mlruns").exists()


def test_a_training_that_was_not_tracked_can_be_afterwards(
    call: Caller, arch: Path, tmp_path: Path
) -> None:
    assert call("train", arch, *TRAIN, "--out", "run").status == 0
    assert not (tmp_path / "run" / "tensorboard").exists()
    assert call("train", "--resume", "run", "--track", "tensorboard", "--json").status == 0
    folder = tmp_path / "run" / "tensorboard" / "tiny"
    assert_curves(tensorboard_curves(folder), tmp_path / "run")
    read = events(folder)
    assert "training/text_summary" in read.Tags()["tensors"]
    assert b"batch_size" in read.Tensors("training/text_summary")[0].tensor_proto.string_val[0]
    assert "_hparams_/session_start_info" in read.PluginTagToContent("hparams")
    times = [event.wall_time for event in read.Scalars("train/loss")]
    seconds = pd.read_parquet(tmp_path / "run" / "metrics.parquet")["seconds"]
    assert times[1] - times[0] == pytest.approx(seconds[1], abs=1e-3)


def test_what_is_tracked_is_checked_before_anything_is_trained(
    call: Caller, arch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parse_trackers(["tensorboard, mlflow", "tensorboard"]) == ("tensorboard", "mlflow")
    assert parse_trackers([]) == ()
    known = "It must be tensorboard or mlflow"
    for name, message in (
        ("tensorbord", f"--track 'tensorbord': did you mean 'tensorboard'? {known}"),
        ("wandb", f"--track 'wandb': {known}"),
        ("mlflow,", f"--track '': {known}"),
    ):
        outcome = call("train", arch, *TRAIN, "--track", name, "--out", "run")
        assert (outcome.status, outcome.err) == (2, f"nas: {message}\n")
    monkeypatch.setattr("search_spaces.libraries.importlib.util.find_spec", lambda _: None)
    for name in ("tensorboard", "mlflow"):
        outcome = call("train", arch, *TRAIN, "--track", name, "--out", "run")
        how = f"`pip install 'compound-nas[{name}]'` brings it"
        assert (outcome.status, outcome.err) == (2, f"nas: {name} is not installed; {how}\n")
    assert not (tmp_path / "run").exists()


def test_a_server_that_does_not_answer_ends_a_training_before_it_begins(
    call: Caller, arch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "http://127.0.0.1:9"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    outcome = call("train", arch, *TRAIN, "--track", "mlflow", "--out", "run")
    assert (outcome.status, outcome.out) == (1, "")
    assert outcome.err.startswith(f"nas: MLflow at {address}: ")
    assert outcome.err.count("\n") == 1
    assert not list(Path("run").glob("*.safetensors"))


class Failing:
    """Is a tracker whose disk is full after the first epoch."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start(self, history: Sequence[tuple[EpochRecord, float]]) -> None:
        self.told.append("start")

    def epoch(self, record: EpochRecord, ended: float) -> None:
        self.told.append(f"epoch {record.epoch}")
        raise RunError("no room is left")

    def end(self, results: Mapping[str, float]) -> None:
        self.told.append("end")

    def close(self, *, finished: bool) -> None:
        self.told.append("close")


def test_a_tracker_that_fails_is_left_out_and_the_training_goes_on(
    session: Session,
    tiny: ArchSpec,
    quick: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failing, notes = Failing(), list[str]()
    monkeypatch.setattr("experiments.tracking.tensorboard.make", lambda *_: failing)
    session = replace(session, track=("tensorboard",))
    monkeypatch.setattr(session.reporter, "note", notes.append)
    info = session.train_final(tiny, tmp_path / "net.safetensors", recipe=quick, seed=1)
    assert info.metrics["epochs"] == 2
    assert failing.told == ["start", "epoch 1"]
    assert notes == ["net: no room is left; the training goes on without tensorboard"]


def test_every_value_of_an_epoch_is_tracked() -> None:
    named = {*CURVES.values(), "epoch", "batch_size"}  # the last goes with the recipe
    assert {field.name for field in fields(EpochRecord)} == named


def test_an_error_while_tracking_begins_is_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing(Failing):
        def start(self, history: Sequence[tuple[EpochRecord, float]]) -> None:
            raise InputError("cannot write there")

    monkeypatch.setattr("experiments.tracking.tensorboard.make", lambda *_: Refusing())
    tracking = Tracking(("tensorboard",), tmp_path, None, on_note=print)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot write there"):
        tracking.started([])
