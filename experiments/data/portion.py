"""A share of the training images of a data set, with all of the others' parts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_data import ImageArray, ImageData, IndexArray, split_digest
from experiments.data.splits import thin

__all__ = ["portion"]


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Stands for the images at `places` of others, which are not copied for it."""

    images: ImageArray
    places: IndexArray

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.places), *self.images.shape[1:])

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        return self.images.dtype

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Any, /) -> Any:
        return self.images[self.places[index]]

    def __array__(self, dtype: Any = None, /, *, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.images[self.places], dtype=dtype)


def portion(data: ImageData, count: int, *, seed: int) -> ImageData:
    """Returns the data with `count` of its training images, classes in proportion, by a seed.

    Validation and test parts stay whole, and so do the mean and deviation of the channels, which
    are those of all training images. More images with the same seed include the fewer ones.
    """
    train = thin(data.train, data.labels, count, seed=seed)
    parts = (train, data.validation, data.test)
    kept = np.sort(np.concatenate(parts))
    train_at, validation_at, test_at = (np.searchsorted(kept, part) for part in parts)
    return replace(
        data,
        images=_Chosen(data.images, kept),
        labels=data.labels[kept],
        train=train_at,
        validation=validation_at,
        test=test_at,
        split_digest=split_digest(*parts),
    )
