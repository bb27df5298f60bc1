"""A pool's chosen items into one array of images: sized, decoded in threads, hashed on the way."""

import hashlib
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import psutil
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray
from experiments.data.images import decode, fit, header_size, named_errors
from experiments.data.pool import Payload, Pool
from search_spaces.errors import InputError

__all__ = ["SMALLEST_SIZE", "Decoded", "decode_pool"]

SMALLEST_SIZE = 8
_LARGEST_MEDIAN = 256
_MEMORY_SHARE = 0.6
_CHUNK = 32
_WORKERS = min(16, os.cpu_count() or 1)
# Below this side, threads lose more to the interpreter's lock than they win: on two cores a
# 64-pixel JPEG takes 108 µs with one thread and 136 µs with two; a 128-pixel one 202 and 129.
_THREADED_SIDE = 96

_Result = TypeVar("_Result")
_Numbered = tuple[int, Payload]  # position among the chosen items


@dataclass(frozen=True, eq=False)
class Decoded:
    """Holds images uint8 (N, S, S, 3) and the sha256 of each one's encoded bytes, in order."""

    images: NDArray[np.uint8]
    digests: list[bytes]


@dataclass(frozen=True, eq=False)
class _Job:
    """What every pass over the chosen items shares."""

    pool: Pool
    chosen: IndexArray
    workers: int

    def where(self, position: int) -> str:
        return self.pool.where(int(self.chosen[position]))


class _SizesDifferError(Exception):
    """Ends the attempt to decode every image at the size of the first."""


def decode_pool(pool: Pool, chosen: IndexArray, image_size: int | None) -> Decoded:
    """Returns the chosen items at `image_size`, at their common size, or at their median one.

    Raises InputError for the first image that cannot be read, and when the result would not fit
    the memory that is free.
    """
    with warnings.catch_warnings():  # here and not in the threads, which share the filters
        warnings.simplefilter("ignore")
        first = int(chosen[0])
        with named_errors(pool.where(first)):
            shape = header_size(next(pool.stream(chosen[:1])))
        job = _Job(pool, chosen, _WORKERS if min(shape) >= _THREADED_SIDE else 1)
        if image_size is not None:
            return _decode_all(job, image_size, exact=False)
        return _decode_common(job, shape) or _decode_median(job)


def _decode_common(job: _Job, first: tuple[int, int]) -> Decoded | None:
    """Decodes in a single pass when all images are squares of the first's size, or returns None."""
    width, height = first
    if width != height or _bytes_needed(job, width) > _bytes_allowed():
        return None
    try:
        return _decode_all(job, width, exact=True)
    except _SizesDifferError:
        return None


def _decode_median(job: _Job) -> Decoded:
    def shapes(chunk: list[_Numbered]) -> list[tuple[int, int]]:
        sizes = []
        for position, payload in chunk:
            with named_errors(job.where(position)):
                sizes.append(header_size(payload))
        return sizes

    sizes = np.array(list(_map_in_order(shapes, job)), dtype=np.int64)
    if (sizes == sizes[0, 0]).all():  # one size, and too large for the memory as will be said
        return _decode_all(job, int(sizes[0, 0]), exact=False)
    median = int(np.median(sizes.min(axis=1)))
    return _decode_all(job, min(max(median, SMALLEST_SIZE), _LARGEST_MEDIAN), exact=False)


def _decode_all(job: _Job, size: int, *, exact: bool) -> Decoded:
    _check_memory(job, size)
    images = np.empty((len(job.chosen), size, size, 3), dtype=np.uint8)

    def work(chunk: list[_Numbered]) -> list[bytes]:
        digests = []
        for position, payload in chunk:
            with named_errors(job.where(position)):
                encoded = payload.read_bytes() if isinstance(payload, Path) else payload
                images[position] = _pixels(encoded, size, exact)
                digests.append(_digest(encoded))
        return digests

    return Decoded(images, list(_map_in_order(work, job)))


def _pixels(encoded: Payload, size: int, exact: bool) -> NDArray[np.uint8]:
    image = decode(encoded)
    if exact and image.size != (size, size):
        raise _SizesDifferError
    return np.asarray(fit(image, size))


def _digest(encoded: Payload) -> bytes:
    if isinstance(encoded, np.ndarray):
        return hashlib.sha256(str(encoded.shape).encode() + encoded.tobytes()).digest()
    return hashlib.sha256(encoded if isinstance(encoded, bytes) else b"").digest()


def _map_in_order(work: Callable[[list[_Numbered]], list[_Result]], job: _Job) -> Iterator[_Result]:
    """Yields the results of `work` over chunks in order, with few chunks in memory at a time.

    The error of the lowest chunk is the one raised, whichever thread met its own first.
    """
    numbered = enumerate(job.pool.stream(job.chosen))
    pending: deque[Future[list[_Result]]] = deque()
    with ThreadPoolExecutor(job.workers) as executor:
        try:
            while chunk := _next_chunk(numbered, pending):
                pending.append(executor.submit(work, chunk))
                if len(pending) > 2 * job.workers:
                    yield from pending.popleft().result()
            while pending:
                yield from pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _next_chunk(
    numbered: Iterator[_Numbered], pending: deque[Future[list[_Result]]]
) -> list[_Numbered]:
    try:
        return list(islice(numbered, _CHUNK))
    except InputError:
        for future in pending:  # an image before the one that could not be fetched comes first
            future.result()
        raise


def _bytes_needed(job: _Job, size: int) -> int:
    return len(job.chosen) * size * size * 3


def _bytes_allowed() -> float:
    return _MEMORY_SHARE * psutil.virtual_memory().available


def _check_memory(job: _Job, size: int) -> None:
    needed, allowed = _bytes_needed(job, size), _bytes_allowed()
    if needed > allowed:
        raise InputError(
            f"{job.pool.origin}: {len(job.chosen)} images at {size}×{size} take "
            f"{needed / 2**30:.1f} GiB, and {allowed / 2**30:.1f} GiB of the free memory may be "
            "used; give --limit or a smaller --image-size"
        )
