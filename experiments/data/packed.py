"""Encoded images copied into one file, so that any of them is found at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from experiments.data.container import MappedImages
from experiments.data.image_data import IndexArray
from experiments.data.pool import Payload, Reader

__all__ = ["PackedReader"]


@dataclass(frozen=True, eq=False)
class PackedReader:
    """Reads the encoded items that lie end to end in `content`, the i-th until `ends[i]`.

    `source` and `items` (N,) say where each came from, for errors.
    """

    scattered: ClassVar[bool] = True
    content: MappedImages
    ends: IndexArray
    source: Reader
    items: IndexArray

    def stream(self, chosen: IndexArray) -> Iterator[Payload]:
        """Yields the encoded bytes of sorted item numbers."""
        for item in chosen:
            start = self.ends[item - 1] if item else np.int64(0)
            yield self.content[start : self.ends[item]].tobytes()

    def where(self, item: int) -> str:
        """Names an item as its source does."""
        return self.source.where(int(self.items[item]))

    def stamp(self) -> None:
        """Returns None: this is the copy."""
