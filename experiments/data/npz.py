"""An .npz of image and label arrays under the key names that Keras and MedMNIST use."""

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray, Part
from experiments.data.images import one_line
from experiments.data.labels import check_names, check_range, numbered_classes
from experiments.data.npz_pixels import Scale, as_uint8, channels_last, find_scale
from experiments.data.pool import Payload, Pool, stamp_files
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
_HEADERS: dict[tuple[int, int], Callable[..., tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
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
    """One part's labels (N,) and the keys of both arrays; the images wait until one is read."""

    part: Part
    image_key: str
    label_key: str
    labels: IndexArray


@dataclass(frozen=True, eq=False)
class _Rows:
    """Reads rows of a file's image arrays, which each process loads once, as uint8 pixels."""

    scattered: ClassVar[bool] = True
    path: Path
    tables: tuple[_Table, ...]

    def stream(self, chosen: IndexArray) -> Iterator[Payload]:
        bounds = np.searchsorted(chosen, self._firsts)
        for number, table in enumerate(self.tables):
            for item in chosen[bounds[number] : bounds[number + 1]]:
                row = self._arrays[table.image_key][item - self._firsts[number]]
                yield as_uint8(row, self._scale)

    def where(self, item: int) -> str:
        number = int(np.searchsorted(self._firsts[1:], item, side="right"))
        return f"{self.path}: {self.tables[number].image_key} row {item - self._firsts[number]}"

    def stamp(self) -> str:
        return stamp_files([self.path])

    @cached_property
    def _firsts(self) -> IndexArray:
        return np.cumsum([0, *(len(table.labels) for table in self.tables)])

    @cached_property
    def _arrays(self) -> dict[str, NDArray[Any]]:
        with _opened(self.path) as archive:
            return {
                table.image_key: channels_last(
                    _array(self.path, archive, table.image_key), f"{self.path}: {table.image_key}"
                )
                for table in self.tables
            }

    @cached_property
    def _scale(self) -> Scale:
        return find_scale(self._arrays, self.path)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "tables": self.tables}


def is_npz(source: str | Path) -> bool:
    """Says whether a source is an .npz file."""
    path = Path(source).expanduser()
    return path.suffix.casefold() == ".npz" and path.is_file()


def open_npz(source: str | Path) -> Pool:
    """Reads the labels of every part; the images are read when the first of them is streamed.

    Raises InputError naming the key and the row, counted from 0, that is not right.
    """
    path = Path(source).expanduser()
    with _opened(path) as archive:
        layout = _layout(path, archive.files)
        tables = [_table(path, archive, part, *keys) for part, keys in layout.items()]
        names = _class_names(path, archive)
    labels: IndexArray = np.concatenate([table.labels for table in tables])
    sizes = [len(table.labels) for table in tables]
    for table in tables:
        _check_labels(path, table, names)
    return Pool(
        origin=str(source),
        parts=np.repeat(np.array([table.part for table in tables], dtype=np.int8), sizes),
        labels=labels,
        classes=numbered_classes(labels, str(path)) if names is None else names,
        reader=_Rows(path, tuple(tables)),
    )


@contextmanager
def _opened(path: Path) -> Iterator[NpzFile]:
    # Opened here because np.load leaves a file that is not a whole zip open.
    with _open(path) as file, _load(path, file) as archive:
        yield archive


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
    shape = _shape(path, archive, image_key)
    channels_last(np.broadcast_to(np.uint8(0), shape), f"{path}: {image_key}")  # or raises
    labels = _label_array(path, archive, label_key)
    if shape[0] != len(labels):
        raise InputError(
            f"{path}: {image_key} has {shape[0]} rows and {label_key} has {len(labels)}; "
            "they must be as many"
        )
    return _Table(part, image_key, label_key, labels)


def _shape(path: Path, archive: NpzFile, key: str) -> tuple[int, ...]:
    """Returns an array's shape from its header; what is odd about one comes out in reading all."""
    with suppress(AttributeError, *_READ_ERRORS), archive.zip.open(f"{key}.npy") as file:  # type: ignore[union-attr]
        shape, _, dtype = _HEADERS[np.lib.format.read_magic(file)](file)
        if not dtype.hasobject:
            return shape
    return _array(path, archive, key).shape


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
