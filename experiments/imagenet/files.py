"""A fitted predictor as a file: arrays in safetensors, which runs nothing when it is read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from experiments.files import write_atomic_with
from experiments.imagenet.table import SPACE
from nas.pairwise.kernel import Hyper
from nas.pairwise.model import Fitted, Predictor
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED

__all__ = ["SHIPPED", "Loaded", "Source", "load_predictor", "save_predictor"]

FORMAT, VERSION = "compound-nas/predictor", "1"
SHIPPED = Path(__file__).parent / "accel_nasbench.safetensors"
NUMBERS = ("pairs", "noise", "ceiling", "offset", "spread")


@dataclass(frozen=True, slots=True)
class Source:
    """Says where measurements come from: what was measured, who published it, under what terms."""

    measured: str = (
        "ImageNet top-1 of 5,138 networks of the MnasNet space, each trained once by a short proxy "
        "recipe"
    )
    published: str = (
        "Accel-NASBench (Ahmad, Du, Xie, Zhang; DAC 2024; arXiv:2404.08005), "
        "https://github.com/afzalxo/Accel-NASBench"
    )
    licence: str = "Apache-2.0"


def save_predictor(path: Path, predictor: Predictor, source: Source) -> None:
    """Writes a predictor to `path`, whole or not at all."""
    fitted, hyper = predictor.fitted, predictor.hyper
    numbers = [hyper.pairs, hyper.noise, hyper.ceiling, fitted.offset, fitted.spread]
    arrays = {
        "encoded": fitted.encoded.astype(np.uint8),
        "accuracy": fitted.accuracy.astype(np.float32),
        "alpha": fitted.alpha,
        "rates": hyper.rates,
        "weights": hyper.weights,
        "linear": hyper.linear,
        "numbers": np.array(numbers),
    }
    choices = {choice.name: choice.options for choice in predictor.space.choices}
    metadata = {
        "format": FORMAT,
        "version": VERSION,
        "space": predictor.space.name,
        "choices": json.dumps(choices),
        "measured": source.measured,
        "published": source.published,
        "licence": source.licence,
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    write_atomic_with(path, lambda temporary: save_file(contiguous, temporary, metadata))


@dataclass(frozen=True, slots=True)
class Loaded:
    """Holds a predictor that was read, where its measurements come from, and its arrays' digest."""

    predictor: Predictor
    source: Source
    digest: str


def load_predictor(path: Path = SHIPPED) -> Loaded:
    """Reads a predictor; raises `InputError` for a file that is none, or is for another space."""
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; `nas bench predictor` makes one")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: not a predictor ({error})") from None
    if (metadata.get("format"), metadata.get("version")) != (FORMAT, VERSION):
        raise InputError(f"{path}: not a predictor of `nas bench predictor`, version {VERSION}")
    space = MEASURED[SPACE].make()
    choices = json.loads(metadata.get("choices", "null"))
    if choices != {choice.name: list(choice.options) for choice in space.choices}:
        raise InputError(f"{path}: made for other choices than space {SPACE} has now; fit it again")
    try:
        predictor = Predictor(space, _fitted(arrays, len(space.choices), len(space.places)))
    except (KeyError, ValueError, IndexError) as error:
        raise InputError(f"{path}: not a whole predictor ({error})") from None
    source = Source(*(metadata.get(name, "unknown") for name in Source.__slots__))
    return Loaded(predictor, source, _digest(arrays))


def _digest(arrays: dict[str, Any]) -> str:
    """Returns a digest of arrays; a file's own bytes may differ in the order of its metadata."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return digest.hexdigest()[:16]


def _fitted(arrays: dict[str, Any], choices: int, stages: int) -> Fitted:
    """Returns the fit that arrays hold; raises `ValueError` for one of another shape."""
    count = len(arrays["alpha"])
    shapes = {
        "encoded": (count, choices), "accuracy": (count,), "alpha": (count,), "rates": (choices,),
        "weights": (stages,), "linear": (2,), "numbers": (len(NUMBERS),),
    }  # fmt: skip
    for name, shape in shapes.items():
        if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
            raise ValueError(f"{name} is not of shape {shape}, or not finite")
    pairs, noise, ceiling, offset, spread = arrays["numbers"].tolist()
    hyper = Hyper(arrays["rates"], arrays["weights"], pairs, arrays["linear"], noise, ceiling)
    accuracy = arrays["accuracy"].astype(float)
    encoded = arrays["encoded"].astype(np.int64)
    return Fitted(hyper, encoded, accuracy, arrays["alpha"], offset, spread)
