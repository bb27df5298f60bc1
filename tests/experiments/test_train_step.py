"""`nas train`: weights to start from, going on with a folder, the table of metrics."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from experiments.checkpoint import load_network, read_info
from experiments.session import Session
from experiments.training import loop
from search_spaces.codec import spec_to_json
from search_spaces.spec import ArchSpec
from tests.conftest import Caller, Outcome

TRAIN = ("--data", "digits", "--limit", 200, "--epochs", 2, "--device", "cpu", "--json")


@pytest.fixture
def arch(tiny: ArchSpec, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(spec_to_json(tiny))
    return path


@pytest.fixture
def trained(call: Caller, arch: Path, tmp_path: Path) -> Path:
    """Gives the checkpoint of a training on the ten digits."""
    assert call("train", arch, *TRAIN, "--out", "first").status == 0
    return tmp_path / "first" / "tiny.safetensors"


@pytest.fixture
def four(tmp_path: Path) -> Path:
    """Gives images of four classes, of another brightness than the digits."""
    draw = np.random.default_rng(0)
    labels = np.arange(160) % 4
    images = draw.integers(0, 60, (160, 8, 8, 3)) + 60 * labels[:, None, None, None] // 2
    np.savez(tmp_path / "four.npz", images=images.astype(np.uint8), labels=labels)
    return tmp_path / "four.npz"


def assert_refused(outcome: Outcome, message: str) -> None:
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.count("\n") == 1
    assert message in outcome.err


def test_finetuning_starts_from_the_weights_with_a_new_classifier(
    call: Caller, trained: Path, four: Path, tmp_path: Path
) -> None:
    words = ("--data", four, "--recipe", "finetune", "--device", "cpu", "--json")
    frozen = ("--epochs", 1, "--set", "freeze_epochs=1")
    assert call("train", trained, *words, *frozen, "--out", "head").status == 0
    before, after = load_file(trained), load_file(tmp_path / "head" / "tiny.safetensors")
    assert after["classifier.weight"].shape[0] == 4
    body = [name for name in before if not name.startswith("classifier")]
    assert all(torch.equal(before[name], after[name]) for name in body)
    info, base = (read_info(p) for p in (tmp_path / "head" / "tiny.safetensors", trained))
    assert (info.mean, info.std) == (base.mean, base.std), "the weights know images so normalised"
    assert len(info.weights) == 16
    assert base.weights == ""
    whole = call(
        "train", "first/tiny.safetensors", *words, "--epochs", 6, "--set", "batch_size=16",
        "--out", "all",
    )  # fmt: skip
    assert whole.document["test_accuracy"] > 0.5
    moved = load_file(tmp_path / "all" / "tiny.safetensors")
    assert not torch.equal(moved["stem.conv.weight"], before["stem.conv.weight"])


def test_a_training_from_other_weights_is_another_training(
    call: Caller, trained: Path, arch: Path, tmp_path: Path
) -> None:
    assert_refused(
        call("train", arch, *TRAIN, "--weights", trained, "--out", "first"),
        "holds another training; choose another folder",
    )


def test_bad_weights_are_one_line_and_leave_nothing(
    call: Caller, trained: Path, arch: Path, tmp_path: Path
) -> None:
    bad = (*TRAIN, "--recipe", "finetune", "--out", "bad")
    assert_refused(call("train", arch, *bad), "recipe finetune starts from trained weights: give")
    assert_refused(
        call("train", "mobilenetv2", *bad, "--weights", trained),
        "weights of another architecture: stem.conv.weight is (8, 3, 3, 3) there and (32, 3, 3, 3)",
    )
    torch.save({}, tmp_path / "w.pt")
    assert_refused(call("train", arch, *bad, "--weights", "w.pt"), "w.pt: a pickle, which can")
    assert_refused(call("train", arch, *bad, "--weights", "no.pt"), "no.pt: there is no such file")
    assert_refused(
        call("search", "--data", "digits", "--target-macs", "2M", "--recipe", "finetune",
             "--out", "bad"),
        "recipe finetune starts from trained weights: use it in nas train",
    )  # fmt: skip
    assert not (tmp_path / "bad").exists()


def test_a_recipe_for_images_of_another_size(call: Caller, arch: Path) -> None:
    words = (*TRAIN, "--recipe", "efficientnet_v2", "--set", "batch_size=32")
    assert_refused(
        call("train", arch, *words, "--set", "end_resolution=300", "--out", "x"),
        "the recipe is for images of another size: end_resolution is 300 pixels, the network's "
        "images are 8 a side",
    )


@pytest.fixture
def interrupted(call: Caller, arch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Outcome]:
    """Stops a training in its second epoch, as Ctrl-C does, with the state kept each step."""
    plain, made = loop.Engine, 0

    def stop(record: loop.StepRecord) -> None:
        nonlocal made
        made += 1
        if (record.epoch, record.step) == (2, 1):
            raise KeyboardInterrupt

    def engine(**options: object) -> loop.Engine:
        changed = {**options, "checkpoint_seconds": 0.0, "on_step": stop}
        return plain(**changed)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("experiments.session.Engine", engine)
        yield call("train", arch, *TRAIN, "--out", "stopped")


def test_a_training_goes_on_with_its_folder_alone(
    call: Caller, trained: Path, interrupted: Outcome, tmp_path: Path, arch: Path
) -> None:
    assert interrupted.status == 130
    arch.unlink()
    outcome = call("train", "--resume", "stopped", "--device", "cpu", "--json")
    assert outcome.status == 0, outcome.err
    one, two = load_file(trained), load_file(tmp_path / "stopped" / "tiny.safetensors")
    assert all(torch.equal(value, two[name]) for name, value in one.items())
    assert [p.name for p in (tmp_path / "stopped").glob(".*")] == [".lock"]
    again = call("train", "--resume", "stopped", "--json").document
    assert again == outcome.document


def test_what_cannot_be_resumed(call: Caller, session: Session, trained: Path) -> None:
    run_folder = session.folder.path  # of a search, say
    assert_refused(call("train", "--resume", "nowhere"), "nowhere: not a run folder")
    assert_refused(call("train", "--resume", run_folder), "holds no training of `nas train`")
    assert_refused(call("train", "tiny.json", "--resume", "first"), "leave ARCH out")
    for name, value in (("--epochs", 9), ("--set", "lr=1"), ("--seed", 4), ("--recipe", "mnasnet")):
        assert_refused(call("train", "--resume", "first", name, value), f"leave {name} out")
    assert_refused(call("train"), "ARCH is missing")


def test_the_table_of_metrics_has_an_epoch_a_row(call: Caller, trained: Path) -> None:
    path = trained.with_name("metrics.parquet")
    frame = pd.read_parquet(path)
    assert list(frame["epoch"]) == [1, 2]
    assert set(frame["network"]) == {"tiny"}
    assert set(frame["resolution"]) == {8}
    assert set(frame["batch_size"]) == {64}
    assert (frame["images_per_second"] > 0).all()
    assert (frame["memory"] > 1e6).all()
    assert list(frame.columns)[:7] == [
        "network", "seed", "epoch", "lr", "loss", "accuracy", "seconds",
    ]  # fmt: skip
    _, info = load_network(trained)
    kept = frame.drop(columns=["network", "seed"]).astype(object)
    assert kept.where(kept.notna(), None).to_numpy().tolist() == info.metrics["history"]
    path.unlink()  # killed between saving the checkpoint and this
    assert call("train", "--resume", "first", "--json").status == 0
    assert pd.read_parquet(path).equals(frame)


def test_trainings_share_the_table(session: Session, tiny: ArchSpec, tmp_path: Path) -> None:
    recipe = session.config.recipe
    for name in ("one", "two", "one"):
        path = tmp_path / f"{name}.safetensors"
        path.unlink(missing_ok=True)
        session.train_final(tiny, path, recipe=recipe, seed=1)
    frame = pd.read_parquet(session.folder.metrics_path)
    assert sorted(zip(frame["network"], frame["epoch"], strict=True)) == [
        ("one", 1), ("one", 2), ("two", 1), ("two", 2),
    ]  # fmt: skip


def test_a_disk_without_room_is_noticed_before_the_training(
    call: Caller, arch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from shutil import disk_usage

    free = disk_usage(tmp_path)._replace(free=10_000)
    monkeypatch.setattr("experiments.files.shutil.disk_usage", lambda _: free)
    outcome = call("train", arch, *TRAIN, "--out", "full")
    assert outcome.status == 2
    assert "full: 0 MiB are free and training tiny may take 0 MiB; free some" in outcome.err
    assert not list((tmp_path / "full").glob("*.safetensors"))
