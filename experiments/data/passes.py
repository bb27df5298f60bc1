"""One pass over a pool's chosen items: in threads where they help, with results in order."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

from experiments.data.image_data import IndexArray
from experiments.data.images import header_size, named_errors
from experiments.data.pool import Payload, Pool
from search_spaces.errors import InputError

__all__ = ["Job", "Numbered", "make_job", "map_in_order"]

_CHUNK = 32
_WORKERS = min(16, os.cpu_count() or 1)
# Below this side, threads lose more to the interpreter's lock than they win: on two cores a
# 64-pixel JPEG takes 108 µs with one thread and 136 µs with two; a 128-pixel one 202 and 129.
_THREADED_SIDE = 96

_Result = TypeVar("_Result")
Numbered = tuple[int, Payload]  # position among the chosen items


@dataclass(frozen=True, eq=False)
class Job:
    """Holds what every pass over the chosen items shares; `first` is the first's width, height."""

    pool: Pool
    chosen: IndexArray
    first: tuple[int, int]

    @property
    def workers(self) -> int:
        """The number of threads that pays for images of the first's size."""
        return _WORKERS if min(self.first) >= _THREADED_SIDE else 1

    def where(self, position: int) -> str:
        """Names the item at a position among the chosen ones."""
        return self.pool.reader.where(int(self.chosen[position]))


def make_job(pool: Pool, chosen: IndexArray) -> Job:
    """Looks at the first chosen item; raises InputError when it is no image."""
    with named_errors(partial(pool.reader.where, int(chosen[0]))):
        return Job(pool, chosen, header_size(next(pool.reader.stream(chosen[:1]))))


def map_in_order(work: Callable[[list[Numbered]], list[_Result]], job: Job) -> Iterator[_Result]:
    """Yields the results of `work` over chunks in order, with few chunks in memory at a time.

    The error of the lowest chunk is the one raised, whichever thread met its own first.
    """
    numbered = enumerate(job.pool.reader.stream(job.chosen))
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
    numbered: Iterator[Numbered], pending: deque[Future[list[_Result]]]
) -> list[Numbered]:
    try:
        return list(islice(numbered, _CHUNK))
    except InputError:
        for future in pending:  # an image before the one that could not be fetched comes first
            future.result()
        raise
