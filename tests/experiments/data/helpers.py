"""Small data sets of every form, written where a test asks for them."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from experiments.data.image_data import IndexArray
from experiments.data.pool import Payload
from search_spaces.errors import InputError

__all__ = [
    "MadeReader",
    "encode",
    "error_of",
    "noise",
    "paint",
    "solid",
    "write_classes",
    "write_parquet",
]


def error_of(call: Callable[[], object]) -> str:
    """Runs what must raise an InputError and returns its message, which must be one line."""
    with pytest.raises(InputError) as caught:
        call()
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def noise(seed: int, size: tuple[int, int] = (12, 12)) -> Image.Image:
    """Returns an RGB image of (width, height) random pixels."""
    width, height = size
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def encode(image: Image.Image, kind: str = "PNG") -> bytes:
    """Returns an image's file as bytes."""
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def paint(path: Path, image: Image.Image, **options: Any) -> Path:
    """Writes an image, with the folders above it, and returns its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def write_classes(
    root: Path, counts: Mapping[str, int], *, size: tuple[int, int] = (12, 12), seed: int = 0
) -> Path:
    """Writes a folder of class folders with so many noise images each, and returns it."""
    for number, (name, count) in enumerate(sorted(counts.items())):
        for index in range(count):
            image = noise(seed * 10_000 + number * 1_000 + index, size)
            paint(root / name / f"{index:03d}.png", image)
    return root


def write_parquet(
    path: Path,
    labels: Sequence[object] | pa.Array,
    *,
    images: Sequence[bytes | None] | None = None,
    plain: bool = False,
    metadata: Mapping[bytes, bytes] | None = None,
    row_group_size: int | None = None,
) -> Path:
    """Writes `image` and `label` columns, with noise images where none are given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if images is None:
        images = [encode(noise(index)) for index in range(len(labels))]
    column = (
        pa.array(images, pa.binary())
        if plain
        else pa.array([None if data is None else {"bytes": data, "path": "x"} for data in images])
    )
    table = pa.table({"image": column, "label": labels})
    if metadata is not None:
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path, row_group_size=row_group_size)
    return path


def solid(value: int, count: int, side: int = 8) -> NDArray[np.uint8]:
    """Returns grey images (N, S, S) of one value."""
    return np.full((count, side, side), value, dtype=np.uint8)


_GOOD = encode(noise(0, (100, 100)))  # large enough to be decoded in threads


@dataclass(frozen=True)
class MadeReader:
    """Reads made-up items; `special` ones are other bytes, or cannot be fetched when None."""

    special: Mapping[int, bytes | None] = field(default_factory=dict)
    scattered: ClassVar[bool] = True

    def stream(self, chosen: IndexArray) -> Iterator[Payload]:
        for item in chosen.tolist():
            payload = self.special.get(item, _GOOD)
            if payload is None:
                raise InputError(f"item {item}: cannot be fetched")
            yield payload

    def where(self, item: int) -> str:
        return f"item {item}"

    def stamp(self) -> str:
        return f"{sorted(self.special.items())}"
