"""The export step: what ARCH names, with its weights and real images to check them on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from experiments.arch import Arch
from experiments.checkpoint import TrainingInfo, load_network
from experiments.data import ImageData, load_data
from experiments.device import pick_device
from experiments.export import Exported, export_network
from experiments.tensors import Normalize, part_tensors
from search_spaces.errors import InputError
from search_spaces.network import Network, build

__all__ = ["export_arch", "export_document", "export_folder"]

CHECK_IMAGES = 64


def _untrained(arch: Arch, data: ImageData) -> tuple[Network, TrainingInfo]:
    """Builds an architecture that nobody has trained, with weights drawn from seed 0."""
    torch.manual_seed(0)
    info = TrainingInfo(
        spec=arch.spec, classes=(), mean=data.mean, std=data.std, data={}, recipe={}, seed=0
    )
    return build(arch.spec).eval(), info


def _images_of(info: TrainingInfo | None, data: str | None) -> ImageData:
    """Loads images to check with: those asked for, the training's own, or the embedded digits."""
    if data is not None:
        return load_data(data)
    if info is not None and info.data:
        known = info.data
        try:
            return load_data(
                known["source"],
                limit=known["limit"],
                image_size=known["image_size"],
                seed=known["seed"],
            )
        except InputError:
            pass  # the data has moved; any real images will do to compare two runtimes
    return load_data("digits")


def export_arch(
    arch: Arch, folder: Path, formats: tuple[str, ...], *, data: str | None = None
) -> list[Exported]:
    """Exports a trained network, or, where there are no weights, one with random weights.

    Every file is checked on up to 64 real images: of `data`, else of the data that the network was
    trained on, else the embedded digits.
    """
    images = _images_of(arch.info, data)
    if arch.checkpoint is not None:
        network, info = load_network(arch.checkpoint)
    else:
        network, info = _untrained(arch, images)
    return export_network(network, info, folder, formats, _normalised(images, info))


def _normalised(data: ImageData, info: TrainingInfo) -> Tensor:
    """Returns (N, 3, R, R) images of the validation part as the network wants them."""
    chosen = data.validation[: min(CHECK_IMAGES, len(data.validation))]
    part = part_tensors(data, np.asarray(chosen), info.spec.resolution, pick_device("cpu"))
    normalised: Tensor = Normalize(info.mean, info.std)(part.images)
    return normalised.contiguous()


def export_folder(arch: Arch, out: Path | None) -> Path:
    """Returns the folder to export to: the one asked for, the run's, or a new one."""
    if out is not None:
        return out
    return arch.run.export_path if arch.run else Path("exports") / arch.spec.name


def export_document(exported: list[Exported], folder: Path, arch: Arch) -> dict[str, Any]:
    """Returns what was written, and how far each file's logits are from torch's."""
    return {
        "name": arch.spec.name,
        "trained": arch.checkpoint is not None,
        "manifest": str(folder / "manifest.json"),
        "files": [
            {
                "format": item.format,
                "path": str(item.path),
                "bytes": item.path.stat().st_size,
                "largest_difference": item.largest_difference,
            }
            for item in exported
        ],
    }
