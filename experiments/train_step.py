"""The train command: one network, one folder, one checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from experiments.arch import Arch
from experiments.checkpoint import read_info
from experiments.config import TrainingConfig
from experiments.data import FORMS
from experiments.inheriting import inherited_start, note_obstacles, plain_json
from experiments.prepare import DataRequest, reopen
from experiments.progress import Reporter
from experiments.recipes import load_recipe
from experiments.session import Session
from experiments.store import RunFolder
from experiments.training.weights import load_weights, weights_digest
from search_spaces.codec import spec_from_json
from search_spaces.errors import InputError
from search_spaces.network import build
from search_spaces.spec import ArchSpec

__all__ = ["data_asked", "resumed", "train_document", "training_asked"]


def data_asked(
    arch: Arch, data: str | None, *, limit: int | None, image_size: int | None
) -> tuple[str, int | None, int | None]:
    """Returns the data to train on, its limit and image size.

    Without `data` they are what the architecture's run or checkpoint used, where not given.
    Raises `InputError` for an architecture that was never trained.
    """
    if data is not None:
        return data, limit, image_size
    if arch.run is not None:
        known = arch.run.read().data.model_dump()
    elif arch.info is not None:
        known = arch.info.data
    else:
        raise InputError(f"--data is missing: {FORMS}")
    return known["source"], limit or known["limit"], image_size or known["image_size"]


def training_asked(
    arch: Arch,
    spec: ArchSpec,
    request: DataRequest,
    weights: Path | None,
    *,
    inherits: bool = False,
) -> TrainingConfig:
    """Returns which network is trained, and from which weights.

    They are those given, or a checkpoint's own where the recipe starts from weights. Raises
    `InputError` where it does and there are none, or for weights of another architecture, or of
    another family where the network `inherits`.
    """
    if inherits:
        return inherited_start(spec, weights)
    recipe = load_recipe(request.recipe, request.overrides)
    if weights is None and recipe.from_weights:
        weights = arch.checkpoint
        if weights is None:
            raise InputError(
                f"recipe {request.recipe} starts from trained weights: give --weights FILE, or a "
                "checkpoint as ARCH"
            )
    text = plain_json(spec)
    if weights is None:
        return TrainingConfig(spec=text)
    with torch.random.fork_rng(devices=[]):
        load_weights(build(spec), weights)
    path = weights.expanduser().resolve()
    return TrainingConfig(spec=text, weights=str(path), digest=weights_digest(path))


@contextmanager
def resumed(
    folder: Path,
    reporter: Reporter,
    **how: Any,
) -> Iterator[tuple[Session, ArchSpec]]:
    """Opens what `nas train` was asked in a folder; `how` is what `reopen` takes.

    Raises `InputError` where it was asked nothing.
    """
    run = RunFolder(folder)
    asked = run.read().training
    if asked is None:
        raise InputError(
            f"{folder}: holds no training of `nas train`; a run goes on with its own command"
        )
    spec = spec_from_json(asked.spec, where=str(run.config_path))
    with reopen(run, reporter, **how) as session:
        yield session, spec


def _normalised_as(session: Session, start: TrainingConfig | None) -> Session:
    """Returns the session with images normalised as the weights to start from know them."""
    if start is None or start.weights is None:
        return session
    try:
        info = read_info(Path(start.weights))
    except InputError:  # another library's, which says nothing of it
        return session
    return replace(session, data=replace(session.data, mean=info.mean, std=info.std))


def train_document(session: Session, spec: ArchSpec) -> dict[str, Any]:
    """Trains `spec` on the session's data, as run.toml says, and returns its results."""
    start = session.config.training
    session = _normalised_as(session, start)
    spec = replace(spec, num_classes=session.data.num_classes)
    recipe = session.config.recipe
    path = session.folder.path / f"{spec.name}.safetensors"
    reporter = session.reporter
    reporter.plan(session.work(spec, recipe.epochs))
    reporter.step(f"Train {spec.name} on {session.data.name}")
    if session.data.image_size != spec.resolution:
        reporter.note(
            f"images of {session.data.image_size} pixels a side are resized to {spec.resolution}"
        )
    note_obstacles(reporter, start, spec)
    with session.folder.timed("train"):
        info = session.train_final(spec, path, recipe=recipe, seed=session.config.seed, start=start)
    return {
        "name": spec.name,
        "resolution": spec.resolution,
        **{key: value for key, value in info.metrics.items() if key != "history"},
        "checkpoint": str(path),
    }
