"""What was asked of a run, resolved and validated: the content of run.toml."""

from __future__ import annotations

import platform
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

import tomli_w
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from experiments.addresses import StorageConfig, without_password
from experiments.files import write_atomic
from experiments.recipes import Recipe
from search_spaces.errors import InputError
from search_spaces.space_file import SpaceFile
from search_spaces.space_reading import space_from_document

__all__ = [
    "DataConfig",
    "FamilyConfig",
    "PredictedConfig",
    "RunConfig",
    "SearchConfig",
    "TrainingConfig",
    "read_config",
    "read_predicted",
    "write_config",
]

FORMAT = "compound-nas/run"
PREDICTED = "compound-nas/predicted-run"
VERSION = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Frozen):
    """Names the data and how it was split; `fingerprint` and `split_digest` are what it must be."""

    source: str
    limit: int | None = None
    image_size: int
    seed: int
    fingerprint: str
    split_digest: str
    train: int
    validation: int
    test: int
    classes: tuple[str, ...]


class SearchConfig(_Frozen):
    """Says what is searched for, and with what.

    `definition` is what the user's own space said when the run was made, `space_file` where.
    `target` is an amount of `cost`, and `limits` are amounts of theirs, in `nas.costs.UNITS`.
    `front_range` are the least and the most of `cost` on a front that is searched for.
    An objective `module:function` is only a name here: a command that is to search must name it
    again, and nothing that is read from this file is ever imported. `objective_digest` is that of
    its source, `table_digest` that of the file of times at `table`. `seconds` bound the search's
    wall time, `train_seconds` that of all its trainings together, `trial_seconds` that of each.
    `seeds` searches are made, each with these budgets and the next seed.
    `halving` names what is divided into `rungs`, each `reduction` times the one before; None: whole
    trainings only. `ceiling` is an accuracy that no network exceeds.
    `random_baseline` says that a random search follows; `warm_start` is the folder of another run,
    `warm_digest` that of its trials.
    `hints` are the zero-cost scores that the sampler's model is told; the `hints_first` networks
    that are best by them are trained before any others.
    """

    space: str
    space_file: str | None = None
    definition: dict[str, Any] | None = None
    resolution: int
    width: float = 1.0
    target: float | None = None
    cost: str = "macs"
    objective: str = "soft"
    objective_digest: str = ""
    exponent: float | None = None
    limits: dict[str, float] = {}
    front_cost: str = "macs"
    front_range: tuple[float, float] | None = None
    table: str | None = None
    table_digest: str = ""
    sampler: str = "tpe"
    trials: int
    seconds: float | None = None
    train_seconds: float | None = None
    trial_seconds: float | None = None
    seeds: int = 1
    halving: str | None = None
    rungs: int | None = None
    reduction: int = 3
    ceiling: float | None = None
    random_baseline: bool = False
    warm_start: str | None = None
    warm_digest: str = ""
    hints: tuple[str, ...] = ()
    hints_first: int = 0
    confirm: int = 3
    epochs: int

    @model_validator(mode="before")
    @classmethod
    def _older(cls, values: Any) -> Any:
        """Reads a run that was made when every target was one of MACs."""
        if isinstance(values, dict) and "target_macs" in values:
            values = {**values, "target": values["target_macs"]}
            del values["target_macs"]
        return values

    def asked_space(self) -> str | SpaceFile:
        """Returns the space as `make_space` takes it."""
        if self.definition is None:
            return self.space
        return space_from_document(self.definition, where=f"run.toml: space {self.space}")

    def described_space(self) -> str:
        """Names the space, with the digest of its definition where it is the user's own."""
        space = self.asked_space()
        return space if isinstance(space, str) else f"{space.name} ({space.digest})"

    def described_objective(self) -> str:
        """Names the objective, with the digest of its source where it is the user's own."""
        digest = f" ({self.objective_digest})" if self.objective_digest else ""
        return f"{self.objective}{digest}"


class TrainingConfig(_Frozen):
    """Says which network `nas train` trains (its spec as JSON), and which weights it starts from.

    `digest` is that of the weights' file, which is needed only until the first state is kept. A
    network that `inherits` grows from the checkpoint of a smaller one.
    """

    spec: str
    weights: str | None = None
    digest: str = ""
    inherits: bool = False


class FamilyConfig(_Frozen):
    """Says how `nas train --family` trained last.

    Each member `inherits` from the one before or not; `epochs` are those of members that do (None:
    the recipe's).
    """

    inherits: bool = False
    epochs: int | None = None


class PredictedConfig(_Frozen):
    """Says what was searched for among predicted accuracies; `digest` is the predictor's file's."""

    evaluator: str
    digest: str
    space: str
    objective: str
    target_macs: float
    exponent: float


class RunConfig(_Frozen):
    """Holds everything that a run was asked.

    `search` is None where nothing was searched, `training` where no single network was trained,
    `family` where no family was by itself. `storage` is None where studies are in the folder.
    """

    seed: int
    data: DataConfig
    recipe: Recipe
    search: SearchConfig | None = None
    training: TrainingConfig | None = None
    family: FamilyConfig | None = None
    storage: StorageConfig | None = None

    def mismatch(self, other: RunConfig) -> str | None:
        """Returns the first thing in which `other` cannot share a folder with this run.

        Sampler, trials, time, seeds and the number of confirmed networks may change between calls.
        """
        for name, mine, theirs in self._bound(other):
            if mine != theirs:
                return f"{name} {mine}, not {theirs}"
        return None

    def _bound(self, other: RunConfig) -> list[tuple[str, Any, Any]]:
        data, theirs = self.data, other.data
        pairs: list[tuple[str, Any, Any]] = []
        if data.fingerprint != theirs.fingerprint:
            name = (
                f"{data.source} ({data.fingerprint})",
                f"{theirs.source} ({theirs.fingerprint})",
            )
            pairs.append(("data", *name))
        pairs.append(("a data split", data.split_digest, theirs.split_digest))
        pairs.append(("seed", self.seed, other.seed))
        pairs += [
            (f"recipe value {name}", value, getattr(other.recipe, name))
            for name, value in self.recipe
        ]
        if self.search and other.search:
            spaces = self.search.described_space(), other.search.described_space()
            pairs.append(("space", *spaces))
            own = self.search.described_objective(), other.search.described_objective()
            pairs.append(("objective", *own))
            warm = self.search.warm_digest or "none", other.search.warm_digest or "none"
            pairs.append(("trials of --warm-start", *warm))
            bound = (
                "resolution", "width", "cost", "target", "exponent", "limits", "front_cost",
                "front_range", "table_digest", "epochs", "halving", "rungs", "reduction", "ceiling",
            )  # fmt: skip
            pairs += [(n, getattr(self.search, n), getattr(other.search, n)) for n in bound]
        return pairs


Config = TypeVar("Config", RunConfig, PredictedConfig)


def _versions() -> dict[str, str]:
    names = ("compound-nas", "torch", "optuna", "numpy", "kornia")
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return {"python": platform.python_version(), **found}


def write_config(path: Path, config: RunConfig | PredictedConfig) -> None:
    """Writes run.toml: the configuration, versions, host and command."""
    document = {
        "format": FORMAT if isinstance(config, RunConfig) else PREDICTED,
        "version": VERSION,
        **config.model_dump(mode="json", exclude_none=True),
        "host": {
            "name": platform.node(),
            "system": platform.platform(),
            "argv": [*map(without_password, sys.argv)],
        },
        "versions": _versions(),
    }
    write_atomic(path, tomli_w.dumps(document))


def read_config(path: Path) -> RunConfig:
    """Reads run.toml; raises `InputError` naming the file and what is wrong in it."""
    document = _read(path)
    if document["format"] == PREDICTED:
        raise InputError(
            f"{path.parent}: accuracies were predicted in this run and nothing was trained; "
            "a training needs --data and a folder of its own"
        )
    return _validated(RunConfig, document, FORMAT, path)


def read_predicted(path: Path) -> PredictedConfig:
    """Reads the run.toml of a run of predicted accuracies; raises `InputError` for others."""
    return _validated(PredictedConfig, _read(path), PREDICTED, path)


def _read(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path.parent}: not a run folder (it has no {path.name})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from None
    version = document.pop("version", 0)
    if document.get("format") not in (FORMAT, PREDICTED) or not isinstance(version, int):
        raise InputError(f"{path}: not a run of compound-nas")
    if version > VERSION:
        raise InputError(f"{path}: version {version} is newer than {VERSION}; update compound-nas")
    for extra in ("host", "versions"):
        document.pop(extra, None)
    return document


def _validated(kind: type[Config], document: dict[str, Any], form: str, path: Path) -> Config:
    if document.pop("format") != form:
        raise InputError(
            f"{path.parent}: another command made it; choose another folder with --out"
        )
    try:
        return kind(**document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {place}: {first['msg']}") from None
