"""Trainings that begin with a smaller network's weights: where those are, and what they keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from experiments.arch import resolve_arch
from experiments.checkpoint import read_info
from experiments.config import TrainingConfig
from experiments.progress import Reporter
from experiments.training.weights import weights_digest
from nas.search import derive_seed
from scaling.inherit import obstacles
from search_spaces.codec import fingerprint, spec_to_json
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

if TYPE_CHECKING:
    from experiments.session import Session

__all__ = [
    "base_start",
    "begun_as",
    "heir",
    "inherited_start",
    "note_obstacles",
    "plain_json",
    "starting",
]


def plain_json(spec: ArchSpec) -> str:
    """Returns a spec as one line of JSON."""
    return json.dumps(json.loads(spec_to_json(spec)))


class _Start(TypedDict, total=False):
    weights: Path
    inherits: bool


def starting(start: TrainingConfig | None) -> _Start:
    """Returns what `train` is told of the weights to start from."""
    if start is None or start.weights is None:
        return {}
    return {"weights": Path(start.weights), "inherits": start.inherits}


def heir(spec: ArchSpec, checkpoint: Path) -> TrainingConfig:
    """Says that `spec` is trained from the weights of a smaller network's checkpoint."""
    path = checkpoint.expanduser().resolve()
    return TrainingConfig(
        spec=plain_json(spec), weights=str(path), digest=weights_digest(path), inherits=True
    )


def inherited_start(spec: ArchSpec, weights: Path | None) -> TrainingConfig:
    """Returns the start of a network that inherits from a checkpoint, or a run's best network.

    Raises `InputError` where there are no weights, or those of another family.
    """
    if weights is None:
        raise InputError(
            "--inherit: whose weights? Give --weights, the checkpoint of a smaller network or the "
            "run folder that it is in"
        )
    source = resolve_arch(str(weights.expanduser())) if weights.is_dir() else None
    checkpoint = weights if source is None else source.checkpoint
    if checkpoint is None:
        raise InputError(f"{weights}: its network is not trained yet, so it has nothing to give")
    obstacles(read_info(checkpoint.expanduser()).spec, spec)
    return heir(spec, checkpoint)


def _found(start: TrainingConfig, spec: ArchSpec) -> tuple[ArchSpec, tuple[str, ...]]:
    base = read_info(Path(start.weights or "")).spec
    return base, obstacles(base, spec)


def begun_as(start: TrainingConfig | None, spec: ArchSpec) -> dict[str, Any]:
    """Says for a checkpoint from whom its network inherited, and whether it began as that one.

    It says nothing of a network that did not inherit.
    """
    if start is None or not start.inherits:
        return {}
    base, found = _found(start, spec)
    return {
        "inherited": {
            "from": base.name,
            "checkpoint": start.weights,
            "preserved": not found,
            "obstacles": list(found),
        }
    }


def note_obstacles(reporter: Reporter, start: TrainingConfig | None, spec: ArchSpec) -> None:
    """Tells the user where a network that inherits does not begin as its base."""
    if start is not None and start.inherits:
        base, found = _found(start, spec)
        if found:
            reporter.note(f"{spec.name} does not begin as {base.name}: {'; '.join(found)}")


def base_start(session: Session, base: ArchSpec, epochs: int, checkpoint: Path | None) -> Path:
    """Returns the checkpoint that a grid's candidates grow from.

    It is the base's own where that was trained on this data, split alike: weights that have seen
    the validation images would flatter every candidate. Otherwise the base is trained for `epochs`.
    """
    if checkpoint is not None:
        info, data = read_info(checkpoint), session.data
        split = (info.data.get("fingerprint"), info.data.get("split_digest"))
        same = fingerprint(info.spec) == fingerprint(base)
        if same and split == (data.fingerprint, data.split_digest):
            return checkpoint
    path = session.folder.path / "scaling" / f"{base.name}_base.safetensors"
    recipe, seed = session.short_recipe(epochs), derive_seed(session.config.seed, "grid base")
    session.reporter.plan(session.work(base, epochs))
    session.train_final(base, path, recipe=recipe, seed=seed, replaces=True)
    return path
