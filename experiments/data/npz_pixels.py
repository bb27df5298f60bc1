"""Arrays of any usual shape and number type as uint8 pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search_spaces.errors import InputError

__all__ = ["Scale", "as_uint8", "channels_last", "find_scale"]

_ROWS_AT_ONCE = 1024


@dataclass(frozen=True)
class Scale:
    """Holds what 1.0 of a float array stands for in 0..255: 255 or 1."""

    of_floats: int


def channels_last(images: NDArray[Any], where: str) -> NDArray[Any]:
    """Returns a view (N, H, W) or (N, H, W, C) with C of 1, 3 or 4, from those or (N, C, H, W).

    Channels first is understood where the last axis cannot be channels. Raises InputError for
    other shapes.
    """
    if images.size and images.ndim == 3:
        return images
    if images.size and images.ndim == 4:
        if images.shape[3] in (1, 3, 4):
            return images
        if images.shape[1] in (1, 3):
            return np.moveaxis(images, 1, 3)
    raise InputError(
        f"{where} has shape {images.shape}; (N, H, W) or (N, H, W, 1 | 3 | 4) is right"
    )


def find_scale(arrays: dict[str, NDArray[Any]], path: Path) -> Scale:
    """Returns the scale that all float arrays of a file share, from the greatest value in them.

    Raises InputError naming the key and row with a value that is not finite or in no known range.
    """
    highest = 0.0
    for key, images in arrays.items():
        if images.dtype.kind not in "biuf":
            raise InputError(
                f"{path}: {key} is {images.dtype}; uint8, uint16, bool or float is right"
            )
        if not _fits_its_type(images.dtype):
            highs = _row_highs(images, f"{path}: {key}")
            if images.dtype.kind == "f":
                highest = max(highest, _checked_high(highs, f"{path}: {key}"))
    return Scale(of_floats=255 if highest <= 1 else 1)


def as_uint8(image: NDArray[Any], scale: Scale) -> NDArray[np.uint8]:
    """Returns one image (H, W) or (H, W, C) as uint8: bool is 0 or 255, uint16 is over 257."""
    if image.dtype.kind == "b":
        return image.astype(np.uint8) * np.uint8(255)
    if image.dtype.kind == "u" and image.dtype.itemsize == 2:
        return ((image.astype(np.int32) + 128) // 257).astype(np.uint8)
    if image.dtype.kind == "f":
        return np.rint(image.astype(np.float64) * scale.of_floats).astype(np.uint8)
    return np.ascontiguousarray(image, dtype=np.uint8)


def _fits_its_type(dtype: np.dtype[Any]) -> bool:
    return dtype.kind == "b" or (dtype.kind == "u" and dtype.itemsize <= 2)  # in any byte order


def _row_highs(images: NDArray[Any], where: str) -> NDArray[np.float64]:
    """Returns the greatest value of each row (N,) after checking that all are in [0, 255]."""
    highs = np.empty(len(images))
    for start in range(0, len(images), _ROWS_AT_ONCE):
        block = images[start : start + _ROWS_AT_ONCE]
        flat = block.reshape(len(block), -1)
        low, high = flat.min(axis=1), flat.max(axis=1)
        wrong = ~((low >= 0) & (high <= 255))  # NaN makes both comparisons false
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"{where} row {start + row}: values run from {low[row]:g} to {high[row]:g}; "
                "finite ones in [0, 1] or [0, 255] are right"
            )
        highs[start : start + len(block)] = high
    return highs


def _checked_high(highs: NDArray[np.float64], where: str) -> float:
    """Returns the greatest value; one just above 1 would be read as a black picture of 255."""
    highest = float(highs.max())
    if 1 < highest < 2:
        row = int(np.argmax(highs > 1))
        raise InputError(
            f"{where} row {row}: values reach {highs[row]:g}; clip them to [0, 1], or use [0, 255]"
        )
    return highest
