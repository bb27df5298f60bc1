"""From what was asked to a session: data loaded, configuration resolved, folder opened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from experiments.addresses import parse_address
from experiments.config import DataConfig, RunConfig, TrainingConfig
from experiments.data import ImageData, findable, load_data
from experiments.device import Device, pick_device
from experiments.parallel.cluster import disconnecting
from experiments.parallel.request import HERE, PlacementRequest
from experiments.progress import Reporter
from experiments.recipes import load_recipe
from experiments.search_request import SearchRequest, search_config
from experiments.session import Session
from experiments.store import RunFolder
from search_spaces.errors import InputError

__all__ = ["DataRequest", "data_config", "load_requested", "reopen", "start"]


@dataclass(frozen=True, slots=True)
class DataRequest:
    """Says which data, and how it is trained on: what every training command asks."""

    source: str
    limit: int | None = None
    image_size: int | None = None
    seed: int = 0
    device: str = "auto"
    recipe: str = "fast"
    overrides: dict[str, Any] = field(default_factory=dict)
    loaders: int | None = None
    deterministic: bool = False
    track: tuple[str, ...] = ()
    placement: PlacementRequest = HERE


def load_requested(request: DataRequest) -> ImageData:
    """Loads the data that was asked for."""
    return load_data(
        request.source, limit=request.limit, image_size=request.image_size, seed=request.seed
    )


def data_config(data: ImageData, *, limit: int | None, seed: int) -> DataConfig:
    """Describes loaded data for run.toml."""
    return DataConfig(
        source=findable(data.name),
        limit=limit,
        image_size=data.image_size,
        seed=seed,
        fingerprint=data.fingerprint,
        split_digest=data.split_digest,
        train=len(data.train),
        validation=len(data.validation),
        test=len(data.test),
        classes=data.classes,
    )


@contextmanager
def start(
    request: DataRequest,
    folder: RunFolder,
    reporter: Reporter,
    search: SearchRequest | None = None,
    *,
    training: TrainingConfig | None = None,
) -> Iterator[Session]:
    """Checks everything that was asked, then opens the folder and keeps others out of it.

    Nothing is written before everything has been checked.
    """
    folder.studies.say = reporter.note
    device = pick_device(request.device, deterministic=request.deterministic)
    recipe = load_recipe(request.recipe, request.overrides)
    if recipe.from_weights and (training is None or training.weights is None):
        raise InputError(
            f"recipe {request.recipe} starts from trained weights: use it in nas train"
        )
    storage = folder.studies.placed(search.storage if search else None)
    data = load_requested(request)
    if len(data.train) < recipe.batch_size:
        raise InputError(
            f"{len(data.train)} training images are fewer than one batch of {recipe.batch_size}; "
            "use more images or a smaller --set batch_size"
        )
    stored = folder.read().search if folder.is_run(folder.path) else None
    config = RunConfig(
        seed=request.seed,
        data=data_config(data, limit=request.limit, seed=request.seed),
        recipe=recipe,
        search=(
            search_config(search, data, stored, device=device, recipe=recipe) if search else None
        ),
        training=training,
        storage=storage,
    )
    folder.check(config)
    with disconnecting():
        placement = request.placement.resolve(wants_gpu=device.is_cuda)
        if placement is None:
            _say_crowded(device, reporter)
        with folder.lock():
            opened = folder.open(config)
            plugin = search.aim.plugin if search else None
            yield Session(
                folder, opened, data, device, reporter, request.loaders, request.track, plugin,
                placement,
            )  # fmt: skip


def _say_crowded(device: Device, reporter: Reporter) -> None:
    if device.crowded():
        reporter.note(
            "other processes are using this machine's cores: "
            "OMP_NUM_THREADS=1 may make small networks train many times faster"
        )


@contextmanager
def reopen(
    folder: RunFolder,
    reporter: Reporter,
    *,
    device: str = "auto",
    loaders: int | None = None,
    deterministic: bool = False,
    track: tuple[str, ...] = (),
    placement: PlacementRequest = HERE,
    storage: str | None = None,
) -> Iterator[Session]:
    """Opens a run folder with the data and recipe that it was made with.

    `storage` is where its studies are now, with a password where one is needed.
    """
    folder.studies.say = reporter.note
    config = folder.read()
    placed = folder.studies.placed(None if storage is None else parse_address(storage))
    picked = pick_device(device, deterministic=deterministic)
    data = _same_data(folder, config.data)
    with disconnecting():
        resolved = placement.resolve(wants_gpu=picked.is_cuda)
        if resolved is None:
            _say_crowded(picked, reporter)
        with folder.lock():
            if placed != config.storage:
                config = folder.open(config.model_copy(update={"storage": placed}))
            yield Session(
                folder, config, data, picked, reporter, loaders, track, placement=resolved
            )


def _same_data(folder: RunFolder, config: DataConfig) -> ImageData:
    data = load_data(
        config.source, limit=config.limit, image_size=config.image_size, seed=config.seed
    )
    if (data.fingerprint, data.split_digest) != (config.fingerprint, config.split_digest):
        raise InputError(
            f"{folder.path}: {config.source} has changed since the run was made "
            f"(fingerprint {data.fingerprint}, then {config.fingerprint})"
        )
    return data
