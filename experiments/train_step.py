"""The train command: one network, one folder, one checkpoint."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from experiments.arch import Arch
from experiments.session import Session
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

__all__ = ["data_asked", "train_document"]


def data_asked(arch: Arch, data: str | None) -> str:
    """Returns the data to train on: what was asked for, or what the architecture's run used."""
    if data is not None:
        return data
    if arch.run is not None:
        return arch.run.read().data.source
    raise InputError("--data is missing: digits, a tree of class folders, Parquet, or an .npz")


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
