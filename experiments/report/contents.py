"""What a report is made of: every file of a run folder that is there, read once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.checkpoint import TrainingInfo, read_info
from experiments.config import RunConfig
from experiments.report.curves import Curve, curve_of_history, curves_of_rows, network_of
from experiments.results import read_results
from experiments.space_files import space_of
from experiments.store import RunFolder
from nas.costs import UNITS
from search_spaces.codec import spec_from_json, stage_to_string
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec

__all__ = ["Contents", "Training", "Trial", "blocks_of", "read_contents"]

_COLUMNS = (
    "trial", "state", "fingerprint", "reward", "accuracy", *UNITS, "seconds", "seed",
    "duplicate_of", "error", "refused", "pruned", "rung", "rung_accuracy", "search_seed",
)  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """Holds a row of trials.parquet; `choices` are those of a network of `space`.

    `costs` are those that are known, in `nas.costs.UNITS`; `seconds` is what the training took.
    `rung` counts the rungs that it came to, where there were any, `rung_accuracy` is that at the
    last of them, and `pruned` says why it was left before there were all. `search_seed` is the seed
    of the search, where there were several.
    """

    number: int
    state: str
    accuracy: float | None
    reward: float | None
    costs: Mapping[str, float]
    seconds: float | None
    duplicate: bool
    error: str | None
    refused: str | None
    pruned: str | None
    rung: int | None
    rung_accuracy: float | None
    choices: Mapping[str, Any]
    space: SearchSpace
    search_seed: int | None = None

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """Returns the network's block strings; none in the table of another version's space."""
        with suppress(InputError):  # only hovers lose
            return blocks_of(self.space.decode(self.choices))
        return ()

    @property
    def evaluated(self) -> bool:
        """Tells whether a network was trained for this trial, and gave an accuracy."""
        return self.accuracy is not None and "macs" in self.costs and not self.duplicate

    @property
    def left(self) -> bool:
        """Tells whether a network's training was left on the way."""
        return self.pruned is not None and not self.duplicate


@dataclass(frozen=True, slots=True)
class Training:
    """Holds where a checkpoint is and what it says of itself."""

    path: Path
    info: TrainingInfo

    @property
    def stem(self) -> str:
        """Returns the name that its epochs have in metrics.parquet."""
        return self.path.stem

    @property
    def name(self) -> str:
        """Returns the network's name, the same for all of its seeds."""
        return network_of(self.stem)


@dataclass(frozen=True, slots=True)
class Contents:
    """Holds what a run folder has so far; what it has not is None or empty.

    `trainings` are the family's and the baselines' checkpoints, `trained` those of `nas train`;
    `random` are the trials of a random search, `proxy` is what `nas bench proxy` found,
    `seeds` what each of several searches came to.
    """

    config: RunConfig
    command: tuple[str, ...]
    versions: dict[str, str]
    base: ArchSpec | None
    choice: dict[str, Any]
    trials: tuple[Trial, ...]
    random: tuple[Trial, ...]
    front: list[dict[str, Any]]
    results: list[dict[str, Any]]
    grid: list[dict[str, Any]]
    constants: dict[str, Any]
    members: list[dict[str, Any]]
    trainings: tuple[Training, ...]
    trained: tuple[Training, ...]
    curves: tuple[Curve, ...]
    ledger: dict[str, dict[str, float]]
    proxy: dict[str, Any]
    seeds: dict[str, Any]

    def result(self, role: str) -> list[dict[str, Any]]:
        """Returns the final rows of a role."""
        return [row for row in self.results if row["role"] == role]

    @property
    def front_cost(self) -> str:
        """Names the cost that the Pareto front is drawn over."""
        return self.config.search.front_cost if self.config.search else "macs"

    def spec_of(self, name: str) -> ArchSpec | None:
        """Returns a trained network's spec, where its checkpoint is there."""
        return next((t.info.spec for t in self.trainings if t.name == name), None)

    @property
    def asked_name(self) -> str:
        """Returns the name of the network that `nas train` was asked for last, "" for none."""
        asked = self.config.training
        return spec_from_json(asked.spec, where="run.toml").name if asked else ""

    @property
    def last_trained(self) -> Training | None:
        """Returns what `nas train` was asked last, where it is there; else another of its own."""
        same = [training for training in self.trained if training.stem == self.asked_name]
        return next(iter(same or self.trained), None)

    @property
    def network(self) -> ArchSpec | None:
        """Returns the base, or what `nas train` trained where nothing was searched for."""
        if self.base is not None or self.last_trained is None:
            return self.base
        return self.last_trained.info.spec


def read_contents(folder: RunFolder) -> Contents:
    """Reads a run folder; raises `InputError` for one that is no run, or a file that is torn."""
    config = folder.read()
    run = tomllib.loads(folder.config_path.read_text())
    best = _json(folder.best_path) or {}
    trainings = _trainings(folder.family_path, folder.baselines_path)
    trained = _trainings(folder.path)
    return Contents(
        config=config,
        command=tuple(run.get("host", {}).get("argv", ())),
        versions=run.get("versions", {}),
        base=_spec(best, folder.best_path) if best else None,
        choice=best.get("result", {}),
        trials=_trials(folder.trials_path, config),
        random=_trials(folder.random_path, config),
        front=_json(folder.front_path) or [],
        results=read_results(folder),
        grid=_rows(folder.grid_path),
        constants=_json(folder.constants_path) or {},
        members=_json(folder.family_path / "family.json") or [],
        trainings=trainings,
        trained=trained,
        curves=_curves(folder, (*trainings, *trained)),
        ledger=folder.ledger(),
        proxy=_json(folder.proxy_path) or {},
        seeds=_json(folder.seeds_path) or {},
    )


def blocks_of(spec: ArchSpec) -> tuple[str, ...]:
    """Writes a network's stages as block strings."""
    return tuple(stage_to_string(stage) for stage in spec.stages)


def _json(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error})") from None


def _spec(document: Mapping[str, Any], path: Path) -> ArchSpec:
    return spec_from_json(json.dumps(document), where=str(path))


def _rows(path: Path) -> list[dict[str, Any]]:
    """Reads a Parquet table; what is missing in a cell is None."""
    if not path.is_file():
        return []
    try:
        frame = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a Parquet table ({error})") from None
    told = frame.astype(object).where(frame.notna(), None)
    return [{str(k): v for k, v in row.items()} for row in told.to_dict(orient="records")]


def _trials(path: Path, config: RunConfig) -> tuple[Trial, ...]:
    if config.search is None:
        return ()
    space = space_of(config.search, num_classes=len(config.data.classes))
    return tuple(_trial(row, space) for row in _rows(path))


def _trial(row: Mapping[str, Any], space: SearchSpace) -> Trial:
    return Trial(
        number=int(row["trial"]),
        state=str(row["state"]),
        accuracy=row["accuracy"],
        reward=row["reward"],
        costs={name: row[name] for name in UNITS if row.get(name) is not None},
        seconds=row.get("seconds"),
        duplicate=row["duplicate_of"] is not None,
        error=row["error"],
        refused=row.get("refused"),
        pruned=row.get("pruned"),
        rung=None if row.get("rung") is None else int(row["rung"]),
        rung_accuracy=row.get("rung_accuracy"),
        choices={name: row[name] for name in row if name not in _COLUMNS},
        space=space,
        search_seed=row.get("search_seed"),
    )


def _trainings(*rooms: Path) -> tuple[Training, ...]:
    found = []
    for room in rooms:
        for path in sorted(room.glob("*.safetensors")):
            with suppress(InputError):  # a file that somebody else put there
                found.append(Training(path, read_info(path)))
    return tuple(found)


def _curves(folder: RunFolder, trainings: Iterable[Training]) -> tuple[Curve, ...]:
    """Reads metrics.parquet; of what is not there, what its checkpoint kept."""
    path = folder.metrics_path
    found = curves_of_rows(_rows(path), path)
    known = {curve.stem for curve in found}
    older = [
        curve_of_history(training.stem, training.info.seed, training.info.metrics["history"])
        for training in trainings
        if training.stem not in known and training.info.metrics.get("history")
    ]
    return (*found, *older)
