"""The label column of Parquet files, and where its class names come from."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray
from experiments.data.labels import check_names, check_range, numbered_classes
from search_spaces.errors import InputError

__all__ = [
    "encode_labels",
    "listed_class_names",
    "number_labels",
    "read_class_names",
    "read_labels",
]

_NAMES_FILE = "classes.txt"


def read_labels(path: Path) -> NDArray[Any]:
    """Returns a file's labels as int64 (N,), or as an object array (N,) of strings.

    Raises InputError naming the row of a null or of a number that is not whole.
    """
    with pq.ParquetFile(path) as parquet:
        return number_labels(parquet.read(columns=["label"]).column("label"), path)


def number_labels(column: Any, path: Path) -> NDArray[Any]:
    """Returns an Arrow column of labels as int64 (N,), or as an object array (N,) of strings."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count:
        row = int(np.argmax(column.is_null().to_numpy()))
        raise InputError(f"{path}, row {row}: label is missing")
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=object)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return _whole(column.to_numpy(), path)
    raise InputError(f"{path}: column 'label' is {column.type}; integers or strings are right")


def _whole(values: NDArray[Any], path: Path) -> IndexArray:
    wrong = values != np.rint(values)  # NaN differs from itself
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InputError(f"{path}, row {row}: label {values[row]} is not a whole number")
    return values.astype(np.int64)


def read_class_names(path: Path) -> tuple[str, ...] | None:
    """Returns the names in classes.txt beside a file, else in its Hugging Face metadata."""
    listed = listed_class_names(path.parent)
    if listed is not None:
        return listed
    metadata = pq.read_schema(path).metadata or {}
    try:
        names = json.loads(metadata[b"huggingface"])["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, ValueError):  # not a ClassLabel column
        return None
    if not isinstance(names, list) or not names:
        return None
    classes = tuple(str(name) for name in names)
    check_names(classes, str(path))
    return classes


def listed_class_names(folder: Path) -> tuple[str, ...] | None:
    """Returns the lines of a folder's classes.txt, None where there is none."""
    path = folder / _NAMES_FILE
    if not path.is_file():
        return None
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise InputError(
            f"{path}: cannot be read; one class name a line in UTF-8 is right"
        ) from None
    names = tuple(line.strip() for line in text.rstrip().splitlines())
    if not names or "" in names:
        line = names.index("") + 1 if names else 1
        raise InputError(f"{path}, line {line}: is empty; one class name a line is right")
    check_names(names, str(path))
    return names


def encode_labels(
    columns: list[NDArray[Any]],
    paths: list[Path],
    names: tuple[str, ...] | None,
    origin: str,
) -> tuple[IndexArray, tuple[str, ...]]:
    """Returns labels (N,) over all files as class numbers, with the class names.

    Raises InputError naming the file and row of a label that no class has.
    """
    kinds = [column.dtype == object for column in columns]
    if any(kinds) and not all(kinds):
        odd = paths[kinds.index(not kinds[0])]
        raise InputError(
            f"{odd}: labels are not of the kind that {paths[0].name} has; use one kind"
        )
    if kinds[0]:
        columns, names = _number_strings(columns, paths, names)
    for path, column in zip(paths, columns, strict=True):
        _check_column(path, column, names)
    labels: IndexArray = np.concatenate(columns)
    return labels, numbered_classes(labels, origin) if names is None else names


def _check_column(path: Path, column: IndexArray, names: tuple[str, ...] | None) -> None:
    check_range(column, None if names is None else len(names), lambda row: f"{path}, row {row}")


def _number_strings(
    columns: list[NDArray[Any]], paths: list[Path], names: tuple[str, ...] | None
) -> tuple[list[NDArray[Any]], tuple[str, ...]]:
    if names is None:
        names = tuple(sorted({label for column in columns for label in column}))
    numbers = {name: number for number, name in enumerate(names)}
    for path, column in zip(paths, columns, strict=True):
        for row, label in enumerate(column):
            if label not in numbers:
                raise InputError(f"{path}, row {row}: label '{label}' is not in the class names")
    return [np.array([numbers[label] for label in column], np.int64) for column in columns], names
