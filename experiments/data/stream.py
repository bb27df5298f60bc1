"""Images that are decoded when they are asked for, each time the same."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.data.decoding import encoded, pixels, quiet
from experiments.data.image_data import IndexArray
from experiments.data.images import named_errors
from experiments.data.pool import Reader

__all__ = ["StreamedImages"]


@dataclass(frozen=True, eq=False)
class StreamedImages:
    """Stands for uint8 images (N, S, S, 3) that `images[numbers]` reads and decodes.

    `items` (N,) are their numbers in the source. Gives the very pixels that decoding all would,
    and pickles to the processes that load data.
    """

    reader: Reader
    items: IndexArray
    size: int

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the array that these images stand for."""
        return (len(self.items), self.size, self.size, 3)

    @property
    def dtype(self) -> np.dtype[np.uint8]:
        """Always uint8."""
        return np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> NDArray[np.uint8]:
        wanted, back = np.unique(self.items[index], return_inverse=True)
        images = np.empty((len(wanted), *self.shape[1:]), dtype=np.uint8)
        with quiet():
            for number, payload in enumerate(self.reader.stream(wanted)):
                with named_errors(partial(self.reader.where, int(wanted[number]))):
                    images[number] = pixels(encoded(payload), self.size)
        found: NDArray[np.uint8] = images[back]
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("streamed images are always copied")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)
