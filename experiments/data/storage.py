"""Where a pool's images are kept: in memory, in the cache on disk, or nowhere until asked for."""

from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from experiments.data import cache
from experiments.data.container import Contents, Writer
from experiments.data.copies import ENCODED, IMAGES, Copies, copies_of, overhead
from experiments.data.decoding import (
    Decoded,
    Digests,
    bytes_at,
    check_memory,
    decode_common,
    decode_into,
    fits_memory,
    measure,
    quiet,
    scan,
)
from experiments.data.image_data import ImageArray, IndexArray
from experiments.data.images import one_line
from experiments.data.packed import PackedReader
from experiments.data.passes import Job, make_job
from experiments.data.pool import Pool
from experiments.data.stream import StreamedImages
from search_spaces.errors import InputError

__all__ = ["KEEPS", "Held", "Keep", "hold"]

Keep = Literal["auto", "memory", "disk", "stream"]
KEEPS: tuple[Keep, ...] = get_args(Keep)


@dataclass(frozen=True, eq=False)
class Held:
    """Holds images, the digests (N, 32) of their sources, and whether to leave them where they are.

    `key` names the copies made of the same source, None where none are kept.
    """

    images: ImageArray
    digests: Digests
    streamed: bool
    key: str | None


def hold(pool: Pool, chosen: IndexArray, image_size: int | None, *, keep: Keep = "auto") -> Held:
    """Returns the chosen items at `image_size`, at their common size, or at their median one.

    They are taken from the cache when their source has not changed since. `auto` keeps them in
    memory where 60% of the free memory is enough, else on disk where the cache has room, else it
    streams them. Raises InputError for the first image that cannot be read.
    """
    with quiet():
        copies = copies_of(pool, chosen, image_size)
        return _known_images(copies, keep) or _known_stream(copies, keep) or _fresh(copies, keep)


def _known_images(copies: Copies, keep: Keep) -> Held | None:
    if keep == "stream" or (found := copies.find(IMAGES)) is None:
        return None
    images, digests = found.mapped(IMAGES), found.array("digests")
    if keep == "memory":
        check_memory(copies.pool.origin, len(images), images.shape[1])
        return Held(np.array(images), digests, streamed=False, key=copies.key)
    large = keep == "disk" or not fits_memory(images.nbytes)
    return Held(images, digests, streamed=large, key=copies.key)


def _known_stream(copies: Copies, keep: Keep) -> Held | None:
    if keep in ("memory", "disk") or (found := copies.find(ENCODED)) is None:
        return None
    size = int(found.metadata["image_size"])
    needed = len(copies.chosen) * size * size * 3
    if keep == "auto" and (
        fits_memory(needed) or needed + overhead(len(copies.chosen)) <= cache.room()
    ):
        return None  # there is more memory or disk than there was
    images = _streamed(copies, found, size)
    return Held(images, found.array("digests"), streamed=True, key=copies.key)


def _fresh(copies: Copies, keep: Keep) -> Held:
    job = make_job(copies.pool, copies.chosen)
    if keep == "stream":
        return _stream(copies, job)
    in_one_pass = copies.image_size is None and keep != "disk"
    if in_one_pass and (decoded := decode_common(job)) is not None:
        return _in_memory(copies, decoded)
    size = copies.image_size or measure(job)
    if keep == "memory" or (keep == "auto" and fits_memory(bytes_at(job, size))):
        check_memory(copies.pool.origin, len(job.chosen), size)
        images = np.empty((len(job.chosen), size, size, 3), dtype=np.uint8)
        return _in_memory(copies, Decoded(images, decode_into(job, images)))
    try:
        return _on_disk(copies, job, size)
    except OSError as error:
        if keep == "auto":
            return _stream(copies, job)
        raise InputError(
            f"{copies.pool.origin}: {len(job.chosen)} images at {size}×{size} cannot be kept in "
            f"{cache.cache_folder()} ({one_line(error)})"
        ) from None


def _in_memory(copies: Copies, decoded: Decoded) -> Held:
    """Keeps a copy where one can be kept; where not, the next command decodes again."""
    images, digests = decoded.images, decoded.digests
    with suppress(OSError), copies.writer(IMAGES, images.nbytes) as writer:
        writer.append(images.data)
        copies.finish(writer, IMAGES, images.shape, digests, image_size=images.shape[1])
    return Held(images, digests, streamed=False, key=copies.key)


def _on_disk(copies: Copies, job: Job, size: int) -> Held:
    shape = (len(job.chosen), size, size, 3)
    with copies.writer(IMAGES, bytes_at(job, size)) as writer:
        digests = decode_into(job, writer.mapped(shape))
        if not copies.finish(writer, IMAGES, shape, digests, image_size=size):
            raise InputError(
                f"{copies.pool.origin}: changed while it was read; run the command again"
            )
    if (found := copies.find(IMAGES)) is None:
        raise OSError("the copy was removed")
    return Held(found.mapped(IMAGES), digests, streamed=True, key=copies.key)


@dataclass(slots=True)
class _Pack:
    """Copies encoded images end to end, as long as there is room."""

    writer: Writer
    room: int
    ends: list[int] = field(default_factory=lambda: [0])
    full: bool = False

    def add(self, content: bytes) -> None:
        end = self.ends[-1] + len(content)
        self.full = self.full or end > self.room
        if not self.full:
            try:
                self.writer.append(content)
            except OSError:
                self.full = True
            self.ends.append(end)

    @property
    def arrays(self) -> NDArray[np.int64]:
        return np.array([] if self.full else self.ends[1:], dtype=np.int64)


def _stream(copies: Copies, job: Job) -> Held:
    """Reads everything once, for sizes and digests, and packs what cannot be read item by item."""
    with ExitStack() as stack:
        pack = None
        with suppress(OSError):
            writer = stack.enter_context(copies.writer(ENCODED, 0))
            pack = _Pack(writer, cache.room() - overhead(len(copies.chosen)))
        needed = pack is not None and not job.pool.reader.scattered
        common, digests = scan(job, pack.add if pack is not None and needed else None)
        size = copies.image_size or common
        if pack is not None:
            ends = pack.arrays
            shape = (int(ends[-1]) if len(ends) else 0,)
            with suppress(OSError):
                copies.finish(pack.writer, ENCODED, shape, digests, image_size=size, ends=ends)
    with suppress(OSError):
        cache.make_room(0)
    images = _streamed(copies, copies.find(ENCODED), size)
    return Held(images, digests, streamed=True, key=copies.key)


def _streamed(copies: Copies, found: Contents | None, size: int) -> StreamedImages:
    reader, items = copies.pool.reader, copies.chosen
    if found is not None and len(ends := found.array("ends")) == len(items):
        reader = PackedReader(found.mapped(ENCODED), ends, reader, items)
        items = np.arange(len(items), dtype=np.int64)
    return StreamedImages(reader, items, size)
