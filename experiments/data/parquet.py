"""Parquet files with `image` and `label` columns, as Hugging Face writes them or plain binary."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray, Part
from experiments.data.images import one_line
from experiments.data.parquet_labels import encode_labels, read_class_names, read_labels
from experiments.data.pool import Payload, Pool, stamp_files
from experiments.data.shards import files_in, files_of_parts
from search_spaces.errors import InputError

__all__ = ["holds_image_columns", "is_parquet", "open_parquet"]

_SUFFIX = ".parquet"
_COLUMNS = ("image", "label")
_BATCH_ROWS = 64


@dataclass(frozen=True)
class _File:
    """One file of a pool: `column` is what to read for the encoded bytes."""

    path: Path
    part: Part
    first: int
    rows: int
    column: str


@dataclass(frozen=True)
class _Rows:
    """Reads rows by whole row groups, which may hold a file's every row."""

    scattered: ClassVar[bool] = False
    files: tuple[_File, ...]

    def stream(self, chosen: IndexArray) -> Iterator[Payload]:
        for file in self.files:
            start, stop = np.searchsorted(chosen, [file.first, file.first + file.rows])
            if start < stop:
                with _named_arrow_errors(file.path):
                    yield from _read_images(file, chosen[start:stop] - file.first)

    def where(self, item: int) -> str:
        firsts = [file.first for file in self.files]
        file = self.files[int(np.searchsorted(firsts, item, side="right")) - 1]
        return f"{file.path}, row {item - file.first}"

    def stamp(self) -> str:
        return stamp_files(file.path for file in self.files)


def is_parquet(source: str | Path) -> bool:
    """Says whether a source is a Parquet file or a folder that holds one."""
    path = Path(source).expanduser()
    return (path.is_file() and path.suffix.casefold() == _SUFFIX) or bool(files_in(path, _SUFFIX))


def holds_image_columns(source: str | Path) -> bool:
    """Says whether a source's first Parquet file can be read and has both columns."""
    if not is_parquet(source):
        return False
    try:
        path, _ = _list_files(Path(source).expanduser())[0]
        _image_column(path)
    except InputError:
        return False
    return True


def open_parquet(source: str | Path) -> Pool:
    """Lists the rows of a file, or of a folder's files by part and name; decodes none.

    Raises InputError naming the file and the row, counted from 0, of a label that is not right.
    """
    files: list[_File] = []
    columns: list[NDArray[Any]] = []
    for path, part in _list_files(Path(source).expanduser()):
        first = files[-1].first + files[-1].rows if files else 0
        column = _image_column(path)
        with _named_arrow_errors(path):
            columns.append(read_labels(path))
        files.append(_File(path, part, first, len(columns[-1]), column))
    names = read_class_names(files[0].path)
    labels, classes = encode_labels(columns, [file.path for file in files], names, str(source))
    return Pool(
        origin=str(source),
        parts=np.repeat(
            np.array([file.part for file in files], dtype=np.int8), [file.rows for file in files]
        ),
        labels=labels,
        classes=classes,
        reader=_Rows(tuple(files)),
    )


def _list_files(path: Path) -> list[tuple[Path, Part]]:
    if path.is_file():
        return [(path, Part.TRAIN)]
    return files_of_parts(files_in(path, _SUFFIX), str(path))


@contextmanager
def _named_arrow_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet ({one_line(error)})") from None


def _image_column(path: Path) -> str:
    with _named_arrow_errors(path):
        schema = pq.read_schema(path)
    missing = [name for name in _COLUMNS if name not in schema.names]
    if missing:
        raise InputError(
            f"{path}: has no column '{missing[0]}'; image and label are needed, "
            f"and it has {', '.join(schema.names) or 'none'}"
        )
    kind = schema.field("image").type
    nested = pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0
    bytes_kind = kind.field("bytes").type if nested else kind
    if not (pa.types.is_binary(bytes_kind) or pa.types.is_large_binary(bytes_kind)):
        raise InputError(
            f"{path}: column 'image' is {one_line(ValueError(kind))}; "
            "binary, or a struct with binary 'bytes', is right"
        )
    return "image.bytes" if nested else "image"


def _read_images(file: _File, rows: IndexArray) -> Iterator[bytes | None]:
    """Yields the encoded images of sorted rows, reading only their row groups, in small batches."""
    with pq.ParquetFile(file.path) as parquet:
        meta = parquet.metadata
        sizes = [meta.row_group(group).num_rows for group in range(meta.num_row_groups)]
        ends = np.cumsum(sizes)
        groups = np.unique(np.searchsorted(ends, rows, side="right"))
        numbers = np.concatenate(
            [np.arange(ends[group] - sizes[group], ends[group]) for group in groups]
        )
        wanted, done = np.isin(numbers, rows), 0
        for batch in parquet.iter_batches(_BATCH_ROWS, groups.tolist(), [file.column]):
            kept = np.flatnonzero(wanted[done : done + batch.num_rows])
            done += batch.num_rows
            yield from _encoded(batch.column(0)).take(pa.array(kept)).to_pylist()


def _encoded(column: Any) -> Any:
    # flatten() rather than field(): a null struct must give null bytes
    return column.flatten()[0] if pa.types.is_struct(column.type) else column
