"""Trained networks in safetensors files that carry their spec, preprocessing and results."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from experiments.files import write_atomic
from search_spaces.codec import fingerprint, spec_from_json, spec_to_json
from search_spaces.errors import InputError
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec

__all__ = ["TrainingInfo", "load_network", "read_info", "save_network"]

KEY = "compound_nas"
FORMAT = "compound-nas/checkpoint"
VERSION = 1


@dataclass(frozen=True, slots=True)
class TrainingInfo:
    """Says what a checkpoint's network is and how it came about.

    `mean` and `std` (per channel, of pixels in [0, 1]) are what inputs must be normalised by;
    `metrics` holds accuracies in [0, 1], seconds and epochs; `recipe` the values trained with;
    `weights` the digest of the weights that training started from, "" for random ones.
    """

    spec: ArchSpec
    classes: tuple[str, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    data: dict[str, Any]
    recipe: dict[str, Any]
    seed: int
    metrics: dict[str, Any] = field(default_factory=dict)
    weights: str = ""

    def same_training(self, other: TrainingInfo) -> bool:
        """Tells whether two trainings have the same network, data, recipe and seed."""
        return self._identity() == other._identity()

    def _identity(self) -> tuple[object, ...]:
        data = (self.data.get("fingerprint"), self.data.get("split_digest"))
        return (fingerprint(self.spec), *data, self.recipe, self.seed, self.weights)


def save_network(path: Path, network: Network, info: TrainingInfo) -> None:
    """Writes weights and info to a safetensors file, whole or not at all."""
    document = {
        **asdict(info),
        "spec": spec_to_json(info.spec),
        "format": FORMAT,
        "version": VERSION,
    }
    metadata = {KEY: json.dumps(document)}
    tensors = {name: value.contiguous() for name, value in network.state_dict().items()}
    write_atomic(path, save(tensors, metadata))


def read_info(path: Path) -> TrainingInfo:
    """Reads what a checkpoint is; raises `InputError` for a file that is not one of ours."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a safetensors file ({error})") from None
    if KEY not in metadata:
        raise InputError(
            f"{path}: holds no architecture; only checkpoints of `nas train` can be read"
        )
    try:
        return _info(json.loads(metadata[KEY]), path)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path}: what it says of its training cannot be read") from None


def _info(document: dict[str, Any], path: Path) -> TrainingInfo:
    if document.pop("format", None) != FORMAT or document.pop("version", VERSION + 1) > VERSION:
        raise InputError(f"{path}: written by a newer version; update compound-nas")
    document["spec"] = spec_from_json(document["spec"], where=str(path))
    for name in ("classes", "mean", "std"):
        document[name] = tuple(document[name])
    return TrainingInfo(**document)


def load_network(path: Path) -> tuple[Network, TrainingInfo]:
    """Builds a checkpoint's network, in eval mode on the CPU, and loads its weights."""
    info = read_info(path)
    network = build(info.spec)
    try:
        network.load_state_dict(load_file(path))
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise InputError(f"{path}: its weights do not fit its architecture: {first}") from None
    return network.eval(), info
