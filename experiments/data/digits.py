"""The embedded data set: scikit-learn's 1,797 handwritten digits, 8×8 grey."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray, Part
from experiments.data.pool import Payload, Pool

__all__ = ["NAME", "is_digits", "open_digits"]

NAME = "digits"
_LARGEST_VALUE = 16


@dataclass(frozen=True, eq=False)
class _Digits:
    """Holds the images (N, 8, 8); they are made in an instant, so nothing is kept on disk."""

    scattered: ClassVar[bool] = True
    images: NDArray[np.uint8]

    def stream(self, chosen: IndexArray) -> Iterator[Payload]:
        yield from self.images[chosen]

    def where(self, item: int) -> str:
        return f"{NAME}: image {item}"

    def stamp(self) -> None:
        return None


def is_digits(source: str | Path) -> bool:
    """Says whether a source is the word `digits`; a Path of that name is a folder's."""
    return source == NAME


def open_digits(source: str | Path) -> Pool:
    """Returns the digits as one pool; a flipped digit is another sign, so they do not mirror."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second to import

    values, labels = load_digits(return_X_y=True)
    images = np.rint(values.reshape(-1, 8, 8) * (255 / _LARGEST_VALUE)).astype(np.uint8)
    return Pool(
        origin=str(source),
        parts=np.full(len(images), Part.TRAIN, dtype=np.int8),
        labels=labels.astype(np.int64),
        classes=tuple(str(digit) for digit in range(10)),
        reader=_Digits(images),
        mirror=False,
    )
