"""The copies that the cache keeps of a pool's chosen items: how one is known again, and proven."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import numpy as np
import PIL
from numpy.typing import NDArray

from experiments.data import cache
from experiments.data.container import HEADER_BYTES, Contents, Writer, filled
from experiments.data.decoding import Digests, digest, encoded, pixels
from experiments.data.image_data import IndexArray
from experiments.data.pool import Payload, Pool

__all__ = ["ENCODED", "IMAGES", "Copies", "copies_of", "overhead"]

IMAGES, ENCODED = "images", "encoded"
_VERSION = 1  # of what a copy holds; those of another version are not found
_SAMPLE = 4


@dataclass(frozen=True, eq=False)
class Copies:
    """Finds and makes copies of chosen items (N,) of a pool; `key` is None where none are kept."""

    pool: Pool
    chosen: IndexArray
    image_size: int | None
    key: str | None

    def find(self, kind: str) -> Contents | None:
        """Returns a sound copy whose first images are still those of the source, or None."""
        if self.key is None or (found := cache.find(cache.path_of(self.key, kind))) is None:
            return None
        if not {kind, "digests"} <= found.places.keys():
            return None
        digests = found.array("digests")
        sound = _name(digests) == found.metadata.get("digests") and len(digests) == len(self.chosen)
        return found if sound and self._agrees(found, digests) else None

    def _agrees(self, found: Contents, digests: Digests) -> bool:
        """Reads some images again: from all over the source where that is quick, else the first."""
        reader, total = self.pool.reader, len(self.chosen)
        last = total - 1 if reader.scattered else min(total, _SAMPLE) - 1
        positions = np.unique(np.linspace(0, last, _SAMPLE).astype(np.int64))
        images = found.mapped(IMAGES) if IMAGES in found.places else None
        for position, payload in zip(
            positions, reader.stream(self.chosen[positions]), strict=False
        ):
            content = encoded(payload)
            if digest(content) != digests[position].tobytes():
                return False
            if images is not None and not _shows(images[position], content):
                return False
        return True

    @contextmanager
    def writer(self, kind: str, needed: int) -> Iterator[Writer]:
        """Gives the writer of a copy; raises OSError when it cannot be kept."""
        if self.key is None:
            raise OSError("this source is not copied")
        if not cache.make_room(needed + overhead(len(self.chosen))):
            raise OSError(f"{needed / 2**30:.1f} GiB are more than the cache may take")
        with filled(cache.path_of(self.key, kind)) as writer:
            yield writer

    def finish(
        self,
        writer: Writer,
        kind: str,
        shape: tuple[int, ...],
        digests: Digests,
        *,
        image_size: int,
        ends: NDArray[np.int64] | None = None,
    ) -> bool:
        """Lets a copy appear unless its source has changed since; says whether it has not."""
        if self.key != _key(self.pool, self.chosen, self.image_size):
            return False
        arrays = {"digests": digests} | ({} if ends is None else {"ends": ends})
        told = {"digests": _name(digests), "image_size": str(image_size)}
        writer.finish(kind, shape, arrays, told)
        return True


def copies_of(pool: Pool, chosen: IndexArray, image_size: int | None) -> Copies:
    """Returns the copies of what a source holds at this moment."""
    return Copies(pool, chosen, image_size, _key(pool, chosen, image_size))


def _key(pool: Pool, chosen: IndexArray, image_size: int | None) -> str | None:
    stamp = None
    with suppress(OSError):  # a file that is gone is named when it is to be read
        stamp = pool.reader.stamp()
    return stamp and cache.key_of(
        version=_VERSION,
        stamp=stamp,
        chosen=hashlib.sha256(chosen.astype("<i8").tobytes()).hexdigest(),
        image_size=image_size,
        pillow=PIL.__version__,
    )


def overhead(count: int) -> int:
    """Returns the bytes that a copy of `count` images takes beside the images."""
    return HEADER_BYTES + 40 * count  # a digest and an end each


def _name(digests: Digests) -> str:
    return hashlib.sha256(digests.tobytes()).hexdigest()


def _shows(image: NDArray[np.uint8], content: Payload) -> bool:
    return np.array_equal(pixels(content, len(image)), image)
