"""Every image of a source looked at once: readable or not, its size, mode, pixels and likes."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from PIL import Image

from experiments.data.decoding import digest, encoded
from experiments.data.image_data import IndexArray
from experiments.data.images import decode, header_size, named_errors, stored_mode
from experiments.data.passes import Job, Numbered, map_in_order
from experiments.data.pool import Payload, Pool
from search_spaces.errors import InputError

__all__ = ["Look", "Seen", "look_at"]


@dataclass(frozen=True, slots=True)
class Look:
    """Holds what one image is: stored width, height and mode, and digests of bytes and pixels."""

    size: tuple[int, int]
    mode: str
    encoded: bytes
    pixels: bytes
    one_colour: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """Holds a look at each chosen item in order, or the error that it gave instead.

    `broken` is why a source could not be read on, with as many looks as there were before.
    """

    looks: list[Look | str]
    broken: str | None = None


@dataclass(frozen=True, eq=False)
class _Work:
    job: Job
    show: Callable[[int, Image.Image], None]
    wanted: frozenset[int] = field(default_factory=frozenset)

    def __call__(self, chunk: list[Numbered]) -> list[Look | str]:
        return [self._look(position, payload) for position, payload in chunk]

    def _look(self, position: int, payload: Payload) -> Look | str:
        try:
            with named_errors(partial(self.job.where, position)):
                content = encoded(payload)
                image = decode(content)
                if position in self.wanted:
                    self.show(position, image)
                return Look(
                    header_size(content),
                    stored_mode(content),
                    digest(content),
                    hashlib.sha256(f"{image.size}".encode() + image.tobytes()).digest(),
                    _one_colour(image),
                )
        except InputError as error:
            return str(error)


def look_at(
    pool: Pool,
    chosen: IndexArray,
    *,
    wanted: frozenset[int],
    show: Callable[[int, Image.Image], None],
) -> Seen:
    """Decodes every chosen item; gives `show` the positions that are `wanted`, with their images.

    `show` is called from several threads.
    """
    job = Job(pool, chosen, _first_size(pool, chosen))
    looks: list[Look | str] = []
    try:
        looks.extend(map_in_order(_Work(job, show, wanted), job))
    except InputError as error:  # of the source itself: there is no going on behind it
        return Seen(looks, str(error))
    return Seen(looks)


def _one_colour(image: Image.Image) -> bool:
    extrema = (image.getchannel(band).getextrema() for band in image.getbands())
    return all(low == high for low, high in extrema)


def _first_size(pool: Pool, chosen: IndexArray) -> tuple[int, int]:
    try:
        with named_errors(str):
            return header_size(next(pool.reader.stream(chosen[:1])))
    except InputError:
        return (0, 0)
