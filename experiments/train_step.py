"""The train command: one network, one folder, one checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from experiments.arch import Arch
from experiments.data import FORMS
from experiments.session import Session
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

__all__ = ["data_asked", "train_document"]


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


def train_document(session: Session, spec: ArchSpec) -> dict[str, Any]:
    """Trains `spec` on the session's data and returns its results."""
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
    with session.folder.timed("train"):
        info = session.train_final(spec, path, recipe=recipe, seed=session.config.seed)
    return {
        "name": spec.name,
        "resolution": spec.resolution,
        **{key: value for key, value in info.metrics.items() if key != "history"},
        "checkpoint": str(path),
    }
