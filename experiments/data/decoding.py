"""A pool's chosen items into images of one size, hashed on the way."""

import hashlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray
from experiments.data.images import decode, fit, header_size, named_errors
from experiments.data.passes import Job, Numbered, map_in_order
from experiments.data.pool import Payload
from search_spaces.errors import InputError

__all__ = [
    "SMALLEST_SIZE",
    "Decoded",
    "bytes_at",
    "check_memory",
    "common_size",
    "decode_common",
    "decode_into",
    "digest",
    "encoded",
    "fits_memory",
    "measure",
    "pixels",
    "quiet",
    "scan",
]

SMALLEST_SIZE = 8
_LARGEST_MEDIAN = 256
_MEMORY_SHARE = 0.6

Digests = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Decoded:
    """Holds images uint8 (N, S, S, 3) and the sha256 (N, 32) of each one's encoded bytes."""

    images: NDArray[np.uint8]
    digests: Digests


class _SizesDifferError(Exception):
    """Ends the attempt to decode every image at the size of the first."""


@contextmanager
def quiet() -> Iterator[None]:
    """Silences what Pillow warns of; used around threads, not in them: they share the filters."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def encoded(payload: Payload) -> Payload:
    """Returns a payload with a file's bytes in place of its path."""
    return payload.read_bytes() if isinstance(payload, Path) else payload


def digest(content: Payload) -> bytes:
    """Returns the sha256 of encoded bytes, or of pixels with their shape."""
    if isinstance(content, np.ndarray):
        return hashlib.sha256(str(content.shape).encode() + content.tobytes()).digest()
    return hashlib.sha256(content if isinstance(content, bytes) else b"").digest()


def pixels(content: Payload, size: int, *, exact: bool = False) -> NDArray[np.uint8]:
    """Returns a payload as uint8 (S, S, 3): its central square, resized."""
    image = decode(content)
    if exact and image.size != (size, size):
        raise _SizesDifferError
    return np.asarray(fit(image, size))


def common_size(sizes: IndexArray) -> int:
    """Returns the side to keep images of widths and heights (N, 2) at: their own, or a median.

    The median of the shorter sides, between 8 and 256 pixels, where not all are equal squares.
    """
    if (sizes == sizes[0, 0]).all():
        return int(sizes[0, 0])
    return min(max(int(np.median(sizes.min(axis=1))), SMALLEST_SIZE), _LARGEST_MEDIAN)


def measure(job: Job) -> int:
    """Returns the `common_size` of all items, from their headers."""

    def shapes(chunk: list[Numbered]) -> list[tuple[int, int]]:
        sizes = []
        for position, payload in chunk:
            with named_errors(partial(job.where, position)):
                sizes.append(header_size(payload))
        return sizes

    return common_size(np.array(list(map_in_order(shapes, job)), dtype=np.int64))


def decode_common(job: Job) -> Decoded | None:
    """Decodes in a single pass when all images are squares of the first's size, or returns None."""
    width, height = job.first
    if width != height or not fits_memory(bytes_at(job, width)):
        return None
    images = np.empty((len(job.chosen), width, width, 3), dtype=np.uint8)
    try:
        return Decoded(images, decode_into(job, images, exact=True))
    except _SizesDifferError:
        return None


def decode_into(job: Job, images: NDArray[np.uint8], *, exact: bool = False) -> Digests:
    """Fills images (N, S, S, 3) and returns the digests of what they were decoded from."""

    def work(chunk: list[Numbered]) -> list[bytes]:
        digests = []
        for position, payload in chunk:
            with named_errors(partial(job.where, position)):
                content = encoded(payload)
                images[position] = pixels(content, images.shape[1], exact=exact)
                digests.append(digest(content))
        return digests

    return _stacked(map_in_order(work, job))


def scan(job: Job, keep: Callable[[bytes], None] | None) -> tuple[int, Digests]:
    """Reads every item, decodes none; returns the common size and the digests.

    `keep` is given the encoded bytes of each in order.
    """

    def work(chunk: list[Numbered]) -> list[tuple[tuple[int, int], bytes, Payload]]:
        found = []
        for position, payload in chunk:
            with named_errors(partial(job.where, position)):
                content = encoded(payload)
                kept = None if keep is None else content
                found.append((header_size(content), digest(content), kept))
        return found

    sizes, digests = [], []
    for size, item_digest, content in map_in_order(work, job):
        sizes.append(size)
        digests.append(item_digest)
        if keep is not None and isinstance(content, bytes):
            keep(content)
    return common_size(np.array(sizes, dtype=np.int64)), _stacked(iter(digests))


def _stacked(digests: Iterator[bytes]) -> Digests:
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 32)


def bytes_at(job: Job, size: int) -> int:
    """Returns the bytes that the chosen items take at `size` pixels a side."""
    return len(job.chosen) * size * size * 3


def fits_memory(needed: int) -> bool:
    """Says whether so many bytes are at most 60% of the memory that is free."""
    return needed <= _bytes_allowed()


def _bytes_allowed() -> float:
    return _MEMORY_SHARE * psutil.virtual_memory().available


def check_memory(origin: str, count: int, size: int) -> None:
    """Raises InputError, with what would be right, when so many images do not fit the memory."""
    needed, allowed = count * size * size * 3, _bytes_allowed()
    if needed > allowed:
        raise InputError(
            f"{origin}: {count} images at {size}×{size} take "
            f"{needed / 2**30:.1f} GiB, and {allowed / 2**30:.1f} GiB of the free memory may be "
            "used; give --limit or a smaller --image-size"
        )
