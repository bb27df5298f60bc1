"""A decoded, split data set: the value that training and reports are given."""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import InputError

__all__ = [
    "DIGEST_CHARACTERS",
    "ImageArray",
    "ImageData",
    "IndexArray",
    "Part",
    "Statistics",
    "channel_statistics",
    "split_digest",
]

_SMALLEST_STD = 1e-3
_STATISTICS_CHUNK = 1024
DIGEST_CHARACTERS = 16

IndexArray = NDArray[np.int64]
Statistics = tuple[float, float, float]


class ImageArray(Protocol):
    """Stands for uint8 images (N, S, S, 3): in memory, mapped from a file, or decoded when asked.

    `images[numbers]` with int64 numbers (n,) gives a plain array (n, S, S, 3) in their order.
    All of them pickle to the processes that load data, and there give the same pixels.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole, (N, S, S, 3)."""

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Always uint8."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: Any, /) -> Any: ...

    def __array__(self, dtype: Any = None, /, *, copy: bool | None = None) -> NDArray[Any]: ...


class Part(IntEnum):
    """The three parts of a data set; the value is how a pool marks its items."""

    TRAIN = 0
    VALIDATION = 1
    TEST = 2


@dataclass(frozen=True, eq=False)
class ImageData:
    """Holds square uint8 images (N, S, S, 3), int64 labels (N,) and sorted indices of each part.

    `mean` and `std` are per channel over the train images, in [0, 1] units. `mirror` says
    whether a horizontal flip keeps the class. `is_streamed` says that the images are more than
    the memory should hold: they are to be read by batches, best in other processes. Raises
    InputError when the arrays do not fit.
    """

    name: str
    images: ImageArray
    labels: IndexArray
    classes: tuple[str, ...]
    train: IndexArray
    validation: IndexArray
    test: IndexArray
    fingerprint: str
    split_digest: str
    mirror: bool
    mean: Statistics
    std: Statistics
    is_streamed: bool = False

    def __post_init__(self) -> None:
        shape, total = self.images.shape, len(self.labels)
        square = len(shape) == 4 and shape[1] == shape[2] and shape[3] == 3
        if not square or self.images.dtype != np.uint8 or shape[0] != total:
            raise InputError(
                f"{self.name}: images are {self.images.dtype} {shape} with {total} labels; "
                "uint8 (N, S, S, 3) with N labels is right"
            )
        taken = np.sort(np.concatenate([self.train, self.validation, self.test]))
        if not np.array_equal(taken, np.arange(total)):
            raise InputError(f"{self.name}: the three parts must hold each of {total} images once")

    @property
    def image_size(self) -> int:
        """The side of every image, in pixels."""
        return int(self.images.shape[1])

    @property
    def num_classes(self) -> int:
        """The number of classes."""
        return len(self.classes)

    def indices(self, part: Part) -> IndexArray:
        """Returns the sorted positions in `images` of one part."""
        return (self.train, self.validation, self.test)[part]

    def describe(self) -> dict[str, object]:
        """Returns what a run records of its data, ready for JSON."""
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "split_digest": self.split_digest,
            "image_size": self.image_size,
            "counts": {part.name.lower(): len(self.indices(part)) for part in Part},
            "classes": list(self.classes),
        }


def split_digest(train: IndexArray, validation: IndexArray, test: IndexArray) -> str:
    """Returns 16 hex characters that name a split, the same on every machine."""
    digest = hashlib.sha256()
    for indices in (train, validation, test):
        digest.update(len(indices).to_bytes(8, "little"))
        digest.update(indices.astype("<i8").tobytes())
    return digest.hexdigest()[:DIGEST_CHARACTERS]


def channel_statistics(images: ImageArray, indices: IndexArray) -> tuple[Statistics, Statistics]:
    """Returns the mean and deviation of each channel over images (N, S, S, 3)[indices], in [0, 1].

    Counts of the 256 values make both exact whatever the number of pixels.
    """
    counts = np.zeros((3, 256), dtype=np.int64)
    for start in range(0, len(indices), _STATISTICS_CHUNK):
        chunk = images[indices[start : start + _STATISTICS_CHUNK]]
        for channel in range(3):
            counts[channel] += np.bincount(chunk[..., channel].ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = counts @ values / counts.sum(axis=1)
    spread = (counts * (values - mean[:, None]) ** 2).sum(axis=1) / counts.sum(axis=1)
    std = np.maximum(np.sqrt(spread), _SMALLEST_STD)
    return _triple(mean), _triple(std)


def _triple(values: NDArray[np.float64]) -> Statistics:
    red, green, blue = values.tolist()
    return red, green, blue
