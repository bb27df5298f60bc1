"""Networks as files that leave the tool: each written whole, each checked on real images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from experiments.checkpoint import TrainingInfo, load_network, save_network
from experiments.export.onnx import export_onnx, require_onnx
from experiments.files import write_atomic
from search_spaces.codec import fingerprint, spec_to_json
from search_spaces.errors import InputError, RunError
from search_spaces.network import Network

__all__ = ["FORMATS", "Exported", "export_network", "parse_formats"]

BOUND = 1e-4


@dataclass(frozen=True, slots=True)
class Exported:
    """Holds a file that was written, and how far its logits are from torch's (None: no logits)."""

    format: str
    path: Path
    largest_difference: float | None


def _beside(stem: Path, suffix: str) -> Path:
    return stem.with_name(stem.name + suffix)  # with_suffix would cut `net_2.5M` at its point


def _export_spec(network: Network, info: TrainingInfo, stem: Path, images: Tensor) -> Exported:
    path = _beside(stem, ".json")
    write_atomic(path, spec_to_json(info.spec))
    return Exported("spec", path, None)


def _export_safetensors(
    network: Network, info: TrainingInfo, stem: Path, images: Tensor
) -> Exported:
    path = _beside(stem, ".safetensors")
    save_network(path, network, info)
    reloaded, _ = load_network(path)
    with torch.inference_mode():
        difference = (reloaded(images) - network(images)).abs().max()
    return Exported("safetensors", path, float(difference))


def _export_onnx(network: Network, info: TrainingInfo, stem: Path, images: Tensor) -> Exported:
    path = _beside(stem, ".onnx")
    return Exported("onnx", path, export_onnx(network, path, images))


Exporter = Callable[[Network, TrainingInfo, Path, Tensor], Exported]

FORMATS: Mapping[str, Exporter] = {
    "spec": _export_spec,
    "onnx": _export_onnx,
    "safetensors": _export_safetensors,
}


def parse_formats(text: str) -> tuple[str, ...]:
    """Reads `spec,onnx`; raises `InputError` for one that is not known or lacks its packages."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in names:
        if name not in FORMATS:
            raise InputError(f"no format is called {name!r}; the formats are {', '.join(FORMATS)}")
    if "onnx" in names:
        require_onnx()  # at once, not at the end of a long run
    if not names:
        raise InputError(f"no format is given; the formats are {', '.join(FORMATS)}")
    return names


def export_network(
    network: Network,
    info: TrainingInfo,
    folder: Path,
    formats: tuple[str, ...],
    images: Tensor,
) -> list[Exported]:
    """Writes a network in each format, with manifest.json beside; `images` (N, 3, R, R) check it.

    Raises `RunError` where a file's logits differ from torch's by 1e-4 or more.
    """
    network = network.cpu().float().eval()
    stem = folder / info.spec.name
    written = []
    for name in formats:
        exported = FORMATS[name](network, info, stem, images)
        difference = exported.largest_difference
        if difference is not None and not difference < BOUND:
            exported.path.unlink()
            raise RunError(f"{exported.path}: differs from torch by {difference:.2e}, over {BOUND}")
        written.append(exported)
    manifest = _manifest(info, written, len(images))
    write_atomic(folder / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    return written


def _manifest(info: TrainingInfo, written: list[Exported], images: int) -> dict[str, Any]:
    return {
        "name": info.spec.name,
        "fingerprint": fingerprint(info.spec),
        "trained": bool(info.metrics),
        "classes": list(info.classes),
        "preprocessing": {
            "resolution": info.spec.resolution,
            "layout": "NCHW, RGB, float32",
            "scale": "pixel / 255",
            "mean": list(info.mean),
            "std": list(info.std),
            "interpolation": "bicubic, antialiased",
        },
        "metrics": {k: v for k, v in info.metrics.items() if k != "history"},
        "checked_on_images": images,
        "versions": {name: metadata.version(name) for name in ("torch", "compound-nas")},
        "files": [
            {
                "format": item.format,
                "file": item.path.name,
                "sha256": hashlib.sha256(item.path.read_bytes()).hexdigest(),
                "largest_difference": item.largest_difference,
            }
            for item in written
        ],
    }
