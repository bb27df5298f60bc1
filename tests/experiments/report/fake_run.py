"""Run folders as the steps write them, with made-up numbers and no training."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.checkpoint import TrainingInfo, save_network
from experiments.config import (
    DataConfig,
    RunConfig,
    SearchConfig,
    TrainingConfig,
    write_config,
)
from experiments.family_step import member_rows, write_family
from experiments.metrics import add_metrics
from experiments.recipes import load_recipe
from experiments.space_files import space_of
from experiments.store import RunFolder
from experiments.training.state import EpochRecord
from scaling.compound import Constants
from scaling.family import phi_ladder
from scaling.fits import Machine
from search_spaces.codec import fingerprint, spec_to_json
from search_spaces.cost import cost
from search_spaces.network import build
from search_spaces.spec import ArchSpec, StageSpec

__all__ = [
    "EVIL",
    "OLD_HISTORY",
    "STEPS",
    "add_training",
    "base_spec",
    "epochs_of",
    "fake_run",
    "final_row",
    "start",
]

EVIL = "<script>alert('x')&\"<img src=x onerror=alert(1)>"
CLASSES = ("zero", "one")
OLD_HISTORY: list[list[Any]] = [
    [1, 0.1, 0.9, 0.5, 1.0],
    [2, 0.05, 0.4, None, 1.0],
    [3, 0.0, 0.3, 0.75, 1.0],
]


def base_spec(name: str) -> ArchSpec:
    """Returns a network small enough to build in milliseconds."""
    stages = (StageSpec("fused", 3, 2, 1, 8, 1), StageSpec("mbconv", 5, 1, 4, 8, 11, 0.25))
    return ArchSpec(name, 8, stages, stem_ch=8, stem_stride=1, head_ch=16, num_classes=2)


def epochs_of(first: float, count: int = 4, *, side: int = 16) -> tuple[EpochRecord, ...]:
    """Returns epochs in which every value is another: accuracies rise from `first`, then fall."""
    shares = [first + 0.01 * (min(n, 3) - 2 * max(0, n - 3)) for n in range(1, count + 1)]
    return tuple(
        EpochRecord(
            n, 0.1 / n, 3.0 / n - first, None if n == 2 else share, 1.5, 100.0 * n,
            n * 2**20, side, 64,
        )
        for n, share in enumerate(shares, 1)
    )  # fmt: skip


def start(
    folder: RunFolder, name: str, *, searched: bool = True, trained: ArchSpec | None = None
) -> None:
    """Writes run.toml."""
    data = DataConfig(
        source=f"{name}</script>",
        image_size=8, seed=0, fingerprint="feedbeef", split_digest="cafe",
        train=1100, validation=20, test=30, classes=CLASSES,
    )  # fmt: skip
    search = SearchConfig(
        space="mixed", resolution=16, target=2e6, exponent=-0.07, trials=6, epochs=1
    )
    config = RunConfig(
        seed=7,
        data=data,
        recipe=load_recipe("fast", {"epochs": 5, "lr": 0.07}),
        search=search if searched else None,
        training=None if trained is None else TrainingConfig(spec=spec_to_json(trained)),
    )
    write_config(folder.config_path, config)


def _trial(number: int, choices: dict[str, Any], **values: Any) -> dict[str, Any]:
    row = {
        "trial": number, "state": "complete", "fingerprint": f"f{number}",
        "reward": 0.8 + number / 100, "accuracy": 0.81 + number / 100,
        "macs": 1_500_000 + 400_000 * number, "params": 1000, "seconds": 1.0, "seed": 3,
        "duplicate_of": None, "error": None,
    }  # fmt: skip
    return {**row, **values, **choices}


def search(folder: RunFolder, name: str) -> None:
    """Writes trials, one failed and one twice, the front and the base."""
    asked = folder.read().search
    assert asked is not None
    space, rng = space_of(asked, num_classes=2), np.random.default_rng(0)
    rows = [_trial(number, space.sample(rng)) for number in range(4)]
    rows.append(_trial(4, space.sample(rng), duplicate_of=1))
    lost = dict.fromkeys(("reward", "accuracy", "macs", "params", "seconds", "seed"))
    rows.append(
        _trial(5, space.sample(rng), state="fail", error=f"out of memory {name}</script>", **lost)
    )
    folder.write_table(folder.trials_path, rows)
    front = [{key: row[key] for key in ("trial", "accuracy", "macs", "reward")} for row in rows[:2]]
    folder.write_json(folder.front_path, front)
    evaluations = [{"accuracy": value} for value in (0.80, 0.82)]
    best = json.loads(spec_to_json(base_spec(name)))
    result = {"trial": 1, "evaluations": evaluations}
    folder.write_json(folder.best_path, {**best, "result": result})


def grid(folder: RunFolder, name: str, *, seeds: int = 1) -> None:
    """Writes three ranked candidates, the last one failed, and the constants."""
    row = {
        "alpha": 1.2, "beta": 1.1, "gamma": 1.15, "product": 1.92, "macs": 3000, "macs_ratio": 2.1,
        "params": 400, "resolution": 10, "fingerprint": "a", "accuracy": 0.9,
        "deviation": 0.01 if seeds > 1 else float("nan"), "seeds": seeds, "score": 0.8969,
        "seconds": 1.0,
    }  # fmt: skip
    second = {**row, "alpha": 1.0, "macs_ratio": 1.8, "accuracy": 0.88, "score": 0.8865}
    failed = {**row, "accuracy": float("nan"), "score": float("nan"), "seeds": 0}
    folder.write_table(folder.grid_path, [row, second, failed])
    constants = {"alpha": 1.2, "beta": 1.1, "gamma": 1.15, "grid": {"product": 2.0}}
    folder.write_json(folder.constants_path, {**constants, "base": {"name": name}})


def final_row(
    spec: ArchSpec, role: str, accuracy: float, deviation: float | None
) -> dict[str, Any]:
    counted = cost(spec)
    return {
        "name": spec.name, "role": role, "resolution": spec.resolution, "macs": counted.macs,
        "params": counted.params, "test_accuracy": accuracy, "deviation": deviation,
        "seeds": 1 if deviation is None else 3, "test_accuracies": [accuracy], "seconds": 5.0,
        "validation_accuracies": [accuracy], "checkpoint": "family/x.safetensors",
    }  # fmt: skip


def _checkpoint(path: Path, spec: ArchSpec, history: Sequence[Sequence[Any]]) -> TrainingInfo:
    counted = cost(spec)
    metrics = {
        "validation_accuracy": 0.8123, "test_accuracy": 0.7987, "macs": counted.macs,
        "params": counted.params, "epochs": len(history), "best_epoch": 3, "seconds": 75.0,
        "history": history,
    }  # fmt: skip
    info = TrainingInfo(spec, CLASSES, (0.5,) * 3, (0.2,) * 3, {}, {}, 11, metrics=metrics)
    save_network(path, build(spec), info)
    return info


def add_training(
    folder: RunFolder, path: Path, spec: ArchSpec, epochs: Iterable[EpochRecord]
) -> None:
    """Writes a checkpoint and its epochs, as a finished training does."""
    history: list[tuple[Any, ...]] = [astuple(record) for record in epochs]
    info = _checkpoint(path, spec, history)
    add_metrics(folder, path.stem, info)


def train(folder: RunFolder, name: str) -> None:
    """Writes what `nas train` leaves."""
    spec = base_spec(name)
    start(folder, name, searched=False, trained=spec)
    add_training(folder, folder.path / f"{name}.safetensors", spec, epochs_of(0.5))


def results(folder: RunFolder, name: str) -> None:
    """Writes a family of two, a baseline, their final rows and trainings, the ledger.

    The base's second seed was trained before metrics.parquet was.
    """
    members = phi_ladder(base_spec(name), Constants(1.2, 1.1, 1.15), (0.0, 1.0))
    rows = member_rows(members, members[0].spec, machine=Machine(), recipe=load_recipe("fast"))
    write_family(folder, members, rows)
    base, larger = (member.spec for member in members)
    baseline = replace(base, name=f"rival{name}")
    rows = [
        final_row(base, "base", 0.9123, 0.0045),
        final_row(larger, "φ = 1", 0.9345, None),
        final_row(baseline, "baseline", 0.8901, 0.0067),
    ]
    folder.write_json(folder.path / "results.json", rows)
    for number, spec in enumerate((base, larger, baseline)):
        room = folder.family_path if number < 2 else folder.baselines_path
        path = room / f"{spec.name}.safetensors"
        add_training(folder, path, spec, epochs_of(0.5 + 0.1 * number, side=spec.resolution))
    _checkpoint(folder.family_path / f"{base.name}.seed1.safetensors", base, OLD_HISTORY)
    folder.write_json(folder.ledger_path, {"search": {"wall": 3725.0, "cpu": 4.2}})
    (folder.family_path / "torn.safetensors").write_bytes(b"not one of ours")


STEPS: dict[str, Callable[[RunFolder, str], None]] = {
    "search": search,
    "grid": grid,
    "results": results,
    "train": train,
}


def fake_run(path: Path, *steps: str, name: str = "tiny") -> RunFolder:
    """Makes a run folder in which only `steps` were done."""
    folder = RunFolder(path / "run")
    start(folder, name, searched="search" in steps)
    for step in steps:
        STEPS[step](folder, name)
    assert fingerprint(base_spec("a")) == fingerprint(base_spec("b"))
    return folder
