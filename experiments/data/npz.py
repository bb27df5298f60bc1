"""An .npz of image and label arrays under the key names that Keras and MedMNIST use."""

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray, Part
from experiments.data.images import one_line
from experiments.data.labels import check_names, check_range, numbered_classes
from experiments.data.npz_pixels import Scale, as_uint8, channels_last, find_scale
from experiments.data.pool import Payload, Pool
from search_spaces.errors import InputError

__all__ = ["is_npz", "open_npz"]

_TRAIN, _VALIDATION, _TEST = Part.TRAIN, Part.VALIDATION, Part.TEST
_LAYOUTS: tuple[dict[Part, tuple[str, str]], ...] = (
    {_TRAIN: ("x_train", "y_train"), _VALIDATION: ("x_val", "y_val"), _TEST: ("x_test", "y_test")},
    {
        _TRAIN: ("train_images", "train_labels"),
        _VALIDATION: ("val_images", "val_labels"),
        _TEST: ("test_images", "test_labels"),
    },
    {_TRAIN: ("images", "labels")},
    {_TRAIN: ("x", "y")},
)
_READ_ERRORS = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)


@dataclass(frozen=True, eq=False)
class _Table:
    """One part's images (N, H, W) or (N, H, W, C) in the file's own type, with their labels."""

    part: Part
    image_key: str
    label_key: str
    images: NDArray[Any]
    labels: IndexArray


def is_npz(source: str | Path) -> bool:
    """Says whether a source is an .npz file."""
    path = Path(source).expanduser()
    return path.suffix.casefold() == ".npz" and path.is_file()


def open_npz(source: str | Path) -> Pool:
    """Reads the arrays of every part; a row becomes uint8 pixels when it is streamed.

    Raises InputError naming the key and the row, counted from 0, that is not right.
    """
    path = Path(source).expanduser()
    tables, names = _read(path)
    scale = find_scale({table.image_key: table.images for table in tables}, path)
    labels: IndexArray = np.concatenate([table.labels for table in tables])
    sizes = [len(table.labels) for table in tables]
    for table in tables:
        _check_labels(path, table, names)
    return Pool(
        origin=str(source),
        parts=np.repeat(np.array([table.part for table in tables], dtype=np.int8), sizes),
        labels=labels,
        classes=numbered_classes(labels, str(path)) if names is None else names,
        stream=lambda chosen: _stream(tables, chosen, scale),
        where=lambda item: _where(path, tables, item),
    )


def _read(path: Path) -> tuple[list[_Table], tuple[str, ...] | None]:
    # Opened here because np.load leaves a file that is not a whole zip open.
    with _open(path) as file, _load(path, file) as archive:
        layout = _layout(path, archive.files)
        tables = [_table(path, archive, part, *keys) for part, keys in layout.items()]
        return tables, _class_names(path, archive)


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({one_line(error)})") from None


def _load(path: Path, file: BinaryIO) -> NpzFile:
    try:
        archive = np.load(file, allow_pickle=False)
    except _READ_ERRORS as error:
        raise InputError(f"{path}: cannot be read as .npz ({one_line(error)})") from None
    if not isinstance(archive, NpzFile):
        raise InputError(f"{path}: holds a single array; an .npz with images and labels is right")
    return archive


def _layout(path: Path, keys: list[str]) -> dict[Part, tuple[str, str]]:
    """Returns the image and label keys of the parts that a file has."""
    for layout in _LAYOUTS:
        if any(key in keys for key in layout[Part.TRAIN]):
            present = {part: pair for part, pair in layout.items() if set(pair) & set(keys)}
            for missing in (key for pair in present.values() for key in pair if key not in keys):
                raise InputError(f"{path}: has no array '{missing}'; it has {', '.join(keys)}")
            return present
    known = "; ".join(", ".join(layout[Part.TRAIN]) for layout in _LAYOUTS)
    raise InputError(
        f"{path}: has arrays {', '.join(keys) or 'none'}; one pair of {known} is needed"
    )


def _table(path: Path, archive: NpzFile, part: Part, image_key: str, label_key: str) -> _Table:
    images = channels_last(_array(path, archive, image_key), f"{path}: {image_key}")
    labels = _label_array(path, archive, label_key)
    if len(images) != len(labels):
        raise InputError(
            f"{path}: {image_key} has {len(images)} rows and {label_key} has {len(labels)}; "
            "they must be as many"
        )
    return _Table(part, image_key, label_key, images, labels)


def _array(path: Path, archive: NpzFile, key: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = archive[key]
    except _READ_ERRORS as error:
        raise InputError(f"{path}: {key} cannot be read ({one_line(error)})") from None
    return array


def _label_array(path: Path, archive: NpzFile, key: str) -> IndexArray:
    labels = _array(path, archive, key)
    column = labels.ndim == 1 or (labels.ndim == 2 and labels.shape[1] == 1)
    if labels.dtype.kind not in "iu" or not column:
        raise InputError(
            f"{path}: {key} is {labels.dtype} {labels.shape}; integers (N,) or (N, 1) are right"
        )
    return labels.reshape(-1).astype(np.int64)


def _class_names(path: Path, archive: NpzFile) -> tuple[str, ...] | None:
    if "classes" not in archive.files:
        return None
    names = _array(path, archive, "classes")
    if names.dtype.kind != "U" or names.ndim != 1 or not len(names):
        raise InputError(f"{path}: classes is {names.dtype} {names.shape}; strings (K,) are right")
    classes = tuple(names.tolist())
    check_names(classes, f"{path}: classes")
    return classes


def _check_labels(path: Path, table: _Table, names: tuple[str, ...] | None) -> None:
    check_range(
        table.labels,
        None if names is None else len(names),
        lambda row: f"{path}: {table.label_key} row {row}",
    )


def _firsts(tables: list[_Table]) -> IndexArray:
    return np.cumsum([0, *(len(table.labels) for table in tables)])


def _where(path: Path, tables: list[_Table], item: int) -> str:
    firsts = _firsts(tables)
    number = int(np.searchsorted(firsts[1:], item, side="right"))
    return f"{path}: {tables[number].image_key} row {item - firsts[number]}"


def _stream(tables: list[_Table], chosen: IndexArray, scale: Scale) -> Iterator[Payload]:
    firsts = _firsts(tables)
    bounds = np.searchsorted(chosen, firsts)
    for number, table in enumerate(tables):
        for item in chosen[bounds[number] : bounds[number + 1]]:
            yield as_uint8(table.images[item - firsts[number]], scale)
