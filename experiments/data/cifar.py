"""CIFAR-10 and CIFAR-100 by name: downloaded in their binary form, which holds no pickles."""

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data import cache
from experiments.data.download import fetched
from experiments.data.images import one_line
from experiments.data.npz import open_npz
from experiments.data.pool import Pool
from experiments.files import write_atomic_with
from search_spaces.errors import InputError

__all__ = ["ARCHIVES", "Archive", "is_cifar", "open_cifar"]

_PIXELS = 3 * 32 * 32


@dataclass(frozen=True)
class Archive:
    """Says where an archive is and what is in it: rows of label bytes, then 3072 of pixels."""

    url: str
    md5: str
    train: tuple[str, ...]
    test: str
    names: str
    label_bytes: int  # the last is the label; CIFAR-100 puts a coarse one before it


_SITE = "https://www.cs.toronto.edu/~kriz"
ARCHIVES = {
    "cifar10": Archive(
        f"{_SITE}/cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test_batch.bin",
        "batches.meta.txt",
        1,
    ),
    "cifar100": Archive(
        f"{_SITE}/cifar-100-binary.tar.gz",
        "03b5dce01913d631647c71ecec9e9cb8",
        ("train.bin",),
        "test.bin",
        "fine_label_names.txt",
        2,
    ),
}


def is_cifar(source: str | Path) -> bool:
    """Says whether a source is `cifar10` or `cifar100`; a path of that name that exists wins."""
    return source in ARCHIVES and not Path(source).exists()


def open_cifar(source: str | Path) -> Pool:
    """Lists a data set's images, downloading and unpacking it the first time.

    Raises InputError with the address and where to put the file when there is no network.
    """
    name = str(source)
    archive = ARCHIVES[name]
    unpacked = cache.downloads_folder() / f"{name}-{archive.md5[:8]}.npz"
    if not unpacked.is_file():
        arrays = _unpack(fetched(archive.url, archive.md5, name=name), archive)
        write_atomic_with(unpacked, lambda path: np.savez(path, **arrays))
    pool = open_npz(unpacked)
    return Pool(name, pool.parts, pool.labels, pool.classes, pool.reader)


def _unpack(path: Path, archive: Archive) -> dict[str, Any]:
    with tarfile.open(path, "r:gz") as tar:
        files = {
            member.name.rpartition("/")[2]: content.read()
            for member in tar
            if member.isfile() and (content := tar.extractfile(member)) is not None
        }
    try:
        x_train, y_train = _rows([files[name] for name in archive.train], archive)
        x_test, y_test = _rows([files[archive.test]], archive)
        names = files[archive.names].decode().split()
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: does not hold what it should ({one_line(error)})") from None
    return {
        "x_train": x_train,
        "y_train": y_train,
        "x_test": x_test,
        "y_test": y_test,
        "classes": np.array(names),
    }


def _rows(files: list[bytes], archive: Archive) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Returns images (N, 32, 32, 3) and labels (N,); the file holds planes of red, green, blue."""
    table = np.frombuffer(b"".join(files), np.uint8).reshape(-1, archive.label_bytes + _PIXELS)
    images = table[:, archive.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return np.ascontiguousarray(images), table[:, archive.label_bytes - 1].astype(np.int64)
