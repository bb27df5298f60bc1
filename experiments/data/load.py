"""Any source of images by name or path into ImageData."""

import difflib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from experiments.data import digits
from experiments.data.cifar import ARCHIVES, is_cifar, open_cifar
from experiments.data.decoding import SMALLEST_SIZE, Digests
from experiments.data.digits import is_digits, open_digits
from experiments.data.folders import holds_class_folders, is_folder, open_folder
from experiments.data.hub import PREFIX, is_hosted, open_hosted
from experiments.data.image_data import (
    DIGEST_CHARACTERS,
    ImageData,
    IndexArray,
    Part,
    split_digest,
)
from experiments.data.images import one_line
from experiments.data.npz import is_npz, open_npz
from experiments.data.parquet import holds_image_columns, is_parquet, open_parquet
from experiments.data.pool import Pool
from experiments.data.splits import check_fraction, choose, split
from experiments.data.statistics import train_statistics
from experiments.data.storage import KEEPS, Keep, hold
from experiments.data.tars import holds_tar_samples, is_tars, open_tars
from search_spaces.errors import InputError

__all__ = ["FORMS", "findable", "fingerprint", "is_data", "is_named", "load_data", "open_pool"]

FORMS = (
    "digits, cifar10, cifar100, a folder of class folders, a Parquet file or folder, "
    "WebDataset .tar shards, an .npz, or hf:NAME"
)

_Test = Callable[[str | Path], bool]


def _is_tars(source: str | Path) -> bool:
    # an archive may lie beside the class folders that came out of it
    return is_tars(source) and not holds_class_folders(source)


# Whether a source has the form, whether it holds images, and what lists them; first match wins.
_SOURCES: tuple[tuple[_Test, _Test, Callable[[str | Path], Pool]], ...] = (
    (is_digits, is_digits, open_digits),
    (is_hosted, is_hosted, open_hosted),
    (is_cifar, is_cifar, open_cifar),
    (is_npz, is_npz, open_npz),
    (is_parquet, holds_image_columns, open_parquet),
    (_is_tars, holds_tar_samples, open_tars),
    (is_folder, holds_class_folders, open_folder),
)


def is_named(source: str | Path) -> bool:
    """Says whether a source is a name, and not a path."""
    return is_digits(source) or is_hosted(source) or is_cifar(source)


def findable(source: str) -> str:
    """Returns a source such that a command run from another folder finds it."""
    if is_hosted(source):
        folder = Path(source.removeprefix(PREFIX)).expanduser()
        return f"{PREFIX}{folder.resolve()}" if folder.is_dir() else source
    return source if is_named(source) else str(Path(source).expanduser().resolve())


def is_data(source: str | Path) -> bool:
    """Says whether a source holds images in a known form, by its name, columns or folders."""
    return any(holds_images(source) for _, holds_images, _ in _SOURCES)


def load_data(
    source: str | Path,
    *,
    limit: int | None = None,
    image_size: int | None = None,
    validation_fraction: float = 0.2,
    test_fraction: float = 0.2,
    seed: int = 0,
    keep: Keep = "auto",
) -> ImageData:
    """Returns a source's images, at most `limit`, decoded at `image_size` pixels and split.

    The source's own validation and test parts are used where it has them; a missing one is carved
    by class from train. `keep` says where the images are: `auto` takes memory where it suffices,
    else the cache on disk, else streams them; all give the same pixels, order and fingerprint.
    Raises InputError, one line naming the file or row, for anything wrong.
    """
    _check_options(image_size, validation_fraction, test_fraction, seed)
    if keep not in KEEPS:
        raise InputError(f"keep is {keep!r}; it must be one of {', '.join(KEEPS)}")
    pool = open_pool(source)
    chosen = choose(pool, limit, seed=seed)
    labels = pool.labels[chosen]
    parts = split(
        labels,
        pool.parts[chosen],
        pool.classes,
        validation_fraction=validation_fraction,
        test_fraction=test_fraction,
        seed=seed,
    )
    held = hold(pool, chosen, image_size, keep=keep)
    digest = split_digest(parts.train, parts.validation, parts.test)
    mean, std = train_statistics(held, parts.train, digest)
    return ImageData(
        name=str(source),
        images=held.images,
        labels=labels,
        classes=pool.classes,
        train=parts.train,
        validation=parts.validation,
        test=parts.test,
        fingerprint=fingerprint(pool, chosen, held.images.shape[1], held.digests),
        split_digest=digest,
        mirror=pool.mirror,
        mean=mean,
        std=std,
        is_streamed=held.streamed,
    )


def _check_options(
    image_size: int | None, validation_fraction: float, test_fraction: float, seed: int
) -> None:
    check_fraction("validation_fraction", validation_fraction)
    check_fraction("test_fraction", test_fraction)
    if seed < 0:
        raise InputError(f"seed is {seed}; it must be 0 or more")
    if image_size is not None and image_size < SMALLEST_SIZE:
        raise InputError(f"image_size is {image_size}; it must be {SMALLEST_SIZE} pixels or more")


def open_pool(source: str | Path) -> Pool:
    """Lists a source's items in whatever form it has; raises InputError when it has none."""
    try:
        for matches, _, open_source in _SOURCES:
            if matches(source):
                return open_source(source)
        exists = Path(source).expanduser().exists()
    except (OSError, RuntimeError) as error:  # a folder not to be listed, a home not known
        raise InputError(f"{source}: cannot be read ({one_line(error)})") from None
    if exists:
        raise InputError(f"{source}: is not image data; known forms are {FORMS}")
    near = difflib.get_close_matches(str(source).casefold(), [digits.NAME, *ARCHIVES])
    hint = f"did you mean {near[0]}?" if near else f"data is {FORMS}"
    raise InputError(f"{source}: no such file or folder; {hint}")


def fingerprint(pool: Pool, chosen: IndexArray, size: int, digests: Digests) -> str:
    """Returns 16 hex characters of what was read: parts, classes, labels, bytes and size."""
    parts, labels = pool.parts[chosen], pool.labels[chosen]
    header = {
        "parts": [part.name.lower() for part in Part if (parts == part).any()],
        "classes": list(pool.classes),
        "image_size": size,
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(parts.astype(np.int8).tobytes())
    digest.update(labels.astype("<i8").tobytes())
    digest.update(digests.tobytes())
    return digest.hexdigest()[:DIGEST_CHARACTERS]
