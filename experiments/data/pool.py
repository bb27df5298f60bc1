"""What every source gives: listed items with parts and labels, and a reader of their content."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray, Part
from search_spaces.errors import InputError

__all__ = ["PartArray", "Payload", "Pool", "Reader", "stamp_files"]

PartArray = NDArray[np.int8]

# An encoded image, the file of one, pixels (H, W) or (H, W, 1 | 3 | 4), or None for a missing one.
Payload = bytes | Path | NDArray[np.uint8] | None


class Reader(Protocol):
    """Reads the items of a source by number; pickles to the processes that load data."""

    @property
    def scattered(self) -> bool:
        """Says whether items from anywhere are read about as quickly as neighbours."""

    def stream(self, chosen: IndexArray) -> Iterator[Payload]:
        """Yields the payloads of sorted item numbers, in their order."""

    def where(self, item: int) -> str:
        """Names an item for an error."""

    def stamp(self) -> str | None:
        """Returns what changes when the source does, without reading it; None: keep no copy."""


def stamp_files(paths: Iterable[Path | str]) -> str:
    """Returns a digest of the places, sizes and times of change of files, in their order."""
    digest = hashlib.sha256()
    here = str(Path.cwd())
    for path in map(str, paths):
        state = os.stat(path)  # noqa: PTH116 (a third of the time, for a hundred thousand files)
        place = path if path.startswith(os.sep) else f"{here}{os.sep}{path}"
        digest.update(f"{place}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Pool:
    """Lists a source's items: parts (N,) as Part values, labels (N,) into classes, a reader.

    Raises InputError unless two classes or more have train images, and all do.
    """

    origin: str
    parts: PartArray
    labels: IndexArray
    classes: tuple[str, ...]
    reader: Reader
    mirror: bool = True

    def __post_init__(self) -> None:
        if len(self.labels) == 0:
            raise InputError(f"{self.origin}: holds no images")
        if len(self.classes) < 2:
            raise InputError(
                f"{self.origin}: holds only the class '{self.classes[0]}'; two or more are needed"
            )
        counts = self.counts
        for number in np.flatnonzero(counts[Part.TRAIN] == 0):
            self._reject_class(int(number), counts[:, number])

    @property
    def counts(self) -> IndexArray:
        """The number of items by part and class, (3, K)."""
        table: IndexArray = np.zeros((len(Part), len(self.classes)), dtype=np.int64)
        np.add.at(table, (self.parts, self.labels), 1)
        return table

    def _reject_class(self, number: int, counts: IndexArray) -> None:
        name = self.classes[number]
        for part in (Part.VALIDATION, Part.TEST):
            if counts[part]:
                raise InputError(
                    f"{self.origin}: class '{name}' has {counts[part]} images in "
                    f"{part.name.lower()} and none in train; every class must be in train"
                )
        raise InputError(f"{self.origin}: class '{name}' has no images; add some or drop the class")
