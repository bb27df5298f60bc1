"""Any source of images by name or path into ImageData."""

import difflib
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from experiments.data import digits
from experiments.data.decoding import SMALLEST_SIZE, Decoded, decode_pool
from experiments.data.digits import is_digits, open_digits
from experiments.data.folders import holds_class_folders, is_folder, open_folder
from experiments.data.image_data import (
    DIGEST_CHARACTERS,
    ImageData,
    IndexArray,
    Part,
    channel_statistics,
    split_digest,
)
from experiments.data.images import one_line
from experiments.data.npz import is_npz, open_npz
from experiments.data.parquet import holds_image_columns, is_parquet, open_parquet
from experiments.data.pool import Pool
from experiments.data.splits import check_fraction, choose, split
from search_spaces.errors import InputError

__all__ = ["FORMS", "is_data", "load_data"]

FORMS = "digits, a folder of class folders, a Parquet file or folder, or an .npz"

_Test = Callable[[str | Path], bool]

# Whether a source has the form, whether it holds images, and what lists them; first match wins.
_SOURCES: tuple[tuple[_Test, _Test, Callable[[str | Path], Pool]], ...] = (
    (is_digits, is_digits, open_digits),
    (is_npz, is_npz, open_npz),
    (is_parquet, holds_image_columns, open_parquet),
    (is_folder, holds_class_folders, open_folder),
)


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
) -> ImageData:
    """Returns a source's images, at most `limit`, decoded at `image_size` pixels and split.

    The source's own validation and test parts are used where it has them; a missing one is carved
    by class from train. Raises InputError, one line naming the file or row, for anything wrong.
    """
    _check_options(image_size, validation_fraction, test_fraction, seed)
    pool = _open(source)
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
    decoded = decode_pool(pool, chosen, image_size)
    mean, std = channel_statistics(decoded.images, parts.train)
    return ImageData(
        name=str(source),
        images=decoded.images,
        labels=labels,
        classes=pool.classes,
        train=parts.train,
        validation=parts.validation,
        test=parts.test,
        fingerprint=_fingerprint(pool, chosen, decoded),
        split_digest=split_digest(parts.train, parts.validation, parts.test),
        mirror=pool.mirror,
        mean=mean,
        std=std,
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


def _open(source: str | Path) -> Pool:
    try:
        for matches, _, open_source in _SOURCES:
            if matches(source):
                return open_source(source)
        exists = Path(source).expanduser().exists()
    except (OSError, RuntimeError) as error:  # a folder not to be listed, a home not known
        raise InputError(f"{source}: cannot be read ({one_line(error)})") from None
    if exists:
        raise InputError(f"{source}: is not image data; known forms are {FORMS}")
    near = difflib.get_close_matches(str(source).casefold(), [digits.NAME])
    hint = f"did you mean {near[0]}?" if near else f"data is {FORMS}"
    raise InputError(f"{source}: no such file or folder; {hint}")


def _fingerprint(pool: Pool, chosen: IndexArray, decoded: Decoded) -> str:
    """Returns 16 hex characters of what was read: parts, classes, labels, bytes and size."""
    parts, labels = pool.parts[chosen], pool.labels[chosen]
    header = {
        "parts": [part.name.lower() for part in Part if (parts == part).any()],
        "classes": list(pool.classes),
        "image_size": decoded.images.shape[1],
    }
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(parts.astype(np.int8).tobytes())
    digest.update(labels.astype("<i8").tobytes())
    for image_digest in decoded.digests:
        digest.update(image_digest)
    return digest.hexdigest()[:DIGEST_CHARACTERS]
