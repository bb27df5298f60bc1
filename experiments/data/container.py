"""One file of the cache: named arrays in safetensors' format, the first of them written in place.

A file is whole or not there: it is filled beside its place, synced and renamed. Reading holds
its size against its header, and maps the arrays instead of copying them.
"""

import json
import math
import mmap
import os
import struct
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "HEADER_BYTES",
    "SUFFIX",
    "TEMPORARY",
    "Contents",
    "MappedImages",
    "Writer",
    "filled",
    "read_container",
]

SUFFIX = ".safetensors"
TEMPORARY = ".tmp-"
HEADER_BYTES = 8192  # with the 8 bytes of its length; padded, so that it can be written last
_NAMES = {"|u1": "U8", "<i8": "I64"}
_DTYPES = {name: np.dtype(text) for text, name in _NAMES.items()}


class MappedImages(np.memmap[Any, np.dtype[np.uint8]]):
    """Maps uint8 images (N, S, S, 3) of a file, read-only; pickles as the place, not the pixels.

    Indexing returns plain arrays: a view for slices, a copy for arrays of numbers.
    """

    def __getitem__(self, index: Any) -> Any:
        return np.asarray(self)[index]

    def __reduce__(self) -> Any:
        if isinstance(self.base, mmap.mmap):  # the whole of what was mapped
            return MappedImages, (str(self.filename), np.uint8, "r", self.offset, self.shape)
        return np.array(self).__reduce__()


@dataclass(frozen=True)
class _Place:
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int

    @property
    def end(self) -> int:
        return self.offset + self.dtype.itemsize * math.prod(self.shape)


@dataclass(frozen=True)
class Contents:
    """Holds where a whole file's arrays lie, and the strings that were written with them."""

    path: Path
    places: Mapping[str, _Place]
    metadata: Mapping[str, str]

    def __contains__(self, name: str) -> bool:
        return name in self.places

    def array(self, name: str) -> NDArray[Any]:
        """Reads an array into memory."""
        place = self.places[name]
        count = math.prod(place.shape)
        flat = np.fromfile(self.path, place.dtype, count, offset=place.offset)
        return flat.reshape(place.shape)

    def mapped(self, name: str) -> MappedImages:
        """Maps an array of bytes."""
        place = self.places[name]
        return MappedImages(self.path, np.uint8, "r", place.offset, place.shape)


class Writer:
    """Fills a file: its first array in place or by appending, then the others and the header."""

    def __init__(self, file: BinaryIO, temporary: Path, path: Path) -> None:
        self._file, self._temporary, self._path = file, temporary, path
        file.seek(HEADER_BYTES)

    def mapped(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Reserves the first array, really: a full disk is met here and not while it is filled."""
        size = math.prod(shape)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), 0, HEADER_BYTES + size)
        return np.memmap(self._file, np.uint8, "r+", HEADER_BYTES, shape)

    def append(self, content: bytes | memoryview) -> None:
        """Appends to the first array."""
        self._file.write(content)

    def finish(
        self,
        name: str,
        shape: tuple[int, ...],
        arrays: Mapping[str, NDArray[Any]],
        metadata: Mapping[str, str],
    ) -> None:
        """Names the first array, of bytes, appends the others, and lets the file appear."""
        end = math.prod(shape)
        header: dict[str, Any] = {"__metadata__": dict(metadata)}
        header[name] = {"dtype": "U8", "shape": shape, "data_offsets": [0, end]}
        self._file.seek(HEADER_BYTES + end)
        for key, array in arrays.items():
            start, end = end, end + array.nbytes
            kind = _NAMES[array.dtype.str]
            header[key] = {"dtype": kind, "shape": array.shape, "data_offsets": [start, end]}
            self._file.write(np.ascontiguousarray(array).data)
        text = json.dumps(header).encode().ljust(HEADER_BYTES - 8)
        if len(text) > HEADER_BYTES - 8:
            raise ValueError("the header is too long")
        self._file.truncate()
        self._file.seek(0)
        self._file.write(struct.pack("<Q", len(text)) + text)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._temporary.chmod(0o644)
        self._temporary.replace(self._path)


@contextmanager
def filled(path: Path) -> Iterator[Writer]:
    """Gives a writer whose file appears at `path`, whole and on disk, once it is finished.

    Raises OSError when the folder cannot be written or the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY, suffix=SUFFIX)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "r+b") as file:
            yield Writer(file, temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_container(path: Path) -> Contents | None:
    """Returns what a file holds, or None when there is none or it is torn or of another kind."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length != HEADER_BYTES - 8:
                return None
            header = json.loads(file.read(length))
            size = os.fstat(file.fileno()).st_size
        metadata = header.pop("__metadata__")
        places = {
            name: _Place(
                _DTYPES[entry["dtype"]],
                tuple(entry["shape"]),
                HEADER_BYTES + entry["data_offsets"][0],
            )
            for name, entry in header.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error):
        return None
    if max(place.end for place in places.values()) != size:
        return None
    return Contents(path, places, metadata)
