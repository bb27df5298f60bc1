"""The same 24 images in every form that is read from disk: two classes, images 0-11 and 12-23."""

import io
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tests.experiments.data.helpers import encode, noise, write_classes, write_parquet

__all__ = ["COUNT", "FORMS", "LABELS", "as_folder", "as_hosted", "as_npz", "as_parquet", "as_tar"]

COUNT, LABELS = 24, [0] * 12 + [1] * 12


def _image(index: int) -> int:
    """Returns the seed that `write_classes` gives the image of that number."""
    return index % 12 + index // 12 * 1000


def as_folder(root: Path) -> Path:
    return write_classes(root / "folder", {"0": 12, "1": 12})


def as_parquet(root: Path) -> Path:
    images = [encode(noise(_image(index))) for index in range(COUNT)]
    return write_parquet(root / "all.parquet", LABELS, images=images, row_group_size=10)


def as_npz(root: Path) -> Path:
    images = [np.asarray(noise(_image(index))) for index in range(COUNT)]
    np.savez(root / "all.npz", images=np.stack(images), labels=LABELS)
    return root / "all.npz"


def as_tar(root: Path) -> Path:
    members: dict[str, bytes] = {}
    for index in range(COUNT):
        members[f"{index:04d}.png"] = encode(noise(_image(index)))
        members[f"{index:04d}.cls"] = str(LABELS[index]).encode()
    return write_tar(root / "all.tar", members)


def as_hosted(root: Path) -> str:
    import datasets

    images = [{"bytes": encode(noise(_image(index))), "path": None} for index in range(COUNT)]
    table = datasets.Dataset.from_dict(
        {"picture": images, "label": LABELS},
        features=datasets.Features(
            {"picture": datasets.Image(), "label": datasets.ClassLabel(names=["0", "1"])}
        ),
    )
    datasets.DatasetDict({"train": table}).save_to_disk(str(root / "saved"))
    return f"hf:{root / 'saved'}"


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    """Writes files into an archive and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return path


FORMS: dict[str, Callable[[Path], Path | str]] = {
    "folder": as_folder,
    "parquet": as_parquet,
    "npz": as_npz,
    "tar": as_tar,
    "hosted": as_hosted,
}
