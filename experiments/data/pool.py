"""What every source gives: listed items with parts and labels, and a way to read them in order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray, Part
from search_spaces.errors import InputError

__all__ = ["PartArray", "Payload", "Pool"]

PartArray = NDArray[np.int8]

# An encoded image, the file of one, pixels (H, W) or (H, W, 1 | 3 | 4), or None for a missing one.
Payload = bytes | Path | NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class Pool:
    """Lists a source's items: parts (N,) as Part values, labels (N,) into classes.

    `stream` yields the payloads of sorted item numbers, in their order; `where` names an item
    for an error. Raises InputError unless two classes or more have train images, and all do.
    """

    origin: str
    parts: PartArray
    labels: IndexArray
    classes: tuple[str, ...]
    stream: Callable[[IndexArray], Iterator[Payload]]
    where: Callable[[int], str]
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
