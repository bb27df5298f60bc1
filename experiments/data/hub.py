"""Data sets of the Hugging Face hub, or saved by their library, as hf:NAME or hf:FOLDER."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.data.image_data import IndexArray, Part
from experiments.data.images import one_line
from experiments.data.parquet_labels import encode_labels, number_labels
from experiments.data.pool import Payload, Pool, stamp_files
from experiments.data.shards import PART_FOLDERS
from search_spaces.errors import InputError

__all__ = ["PREFIX", "is_hosted", "open_hosted"]

PREFIX = "hf:"
_LABELS = ("label", "fine_label", "labels", "class", "cls")
_UNKNOWN = -1  # the label that published test splits without labels have


@dataclass(frozen=True, eq=False)
class _Split:
    """One split: its table, whose image column `image` is left encoded, and labels (N,)."""

    name: str
    part: Part
    table: Any
    image: str
    labels: NDArray[Any]
    classes: tuple[str, ...] | None


@dataclass(frozen=True, eq=False)
class _Rows:
    """Reads rows of memory-mapped tables; `firsts` (K + 1,) are where each split begins."""

    scattered: ClassVar[bool] = True
    origin: str
    splits: tuple[_Split, ...]
    firsts: IndexArray

    def _place(self, item: int) -> tuple[_Split, int]:
        number = int(np.searchsorted(self.firsts[1:], item, side="right"))
        return self.splits[number], int(item - self.firsts[number])

    def stream(self, chosen: IndexArray) -> Iterator[Payload]:
        for item in chosen:
            split, row = self._place(int(item))
            content = split.table[row][split.image] or {}
            path = content.get("path")
            yield content.get("bytes") or (Path(path) if path else None)

    def where(self, item: int) -> str:
        split, row = self._place(item)
        return f"{self.origin}, {split.name}, row {row}"

    def stamp(self) -> str | None:
        tables = [split.table for split in self.splits]
        files = [file["filename"] for table in tables for file in table.cache_files]
        chosen = "".join(str(table._fingerprint) for table in tables)
        return f"{stamp_files(files)} {chosen}" if files else None


def is_hosted(source: str | Path) -> bool:
    """Says whether a source begins with `hf:`."""
    return isinstance(source, str) and source.startswith(PREFIX)


def open_hosted(source: str | Path) -> Pool:
    """Lists the rows of a data set's splits, downloading it where it is not there.

    Raises InputError when the package is missing, the data set cannot be had, or it has no column
    of images or none of labels.
    """
    origin = str(source)
    found = [_split(origin, name, *rest) for name, *rest in _tables(origin)]
    splits = [split for split in found if not _unlabelled(split)]
    labels, classes = encode_labels(
        [split.labels for split in splits],
        [Path(f"{origin}, {split.name}") for split in splits],
        splits[0].classes,
        origin,
    )
    sizes = [len(split.labels) for split in splits]
    return Pool(
        origin=origin,
        parts=np.repeat(np.array([split.part for split in splits], dtype=np.int8), sizes),
        labels=labels,
        classes=classes,
        reader=_Rows(origin, tuple(splits), np.cumsum([0, *sizes])),
    )


def _tables(origin: str) -> list[tuple[str, Part, Any]]:
    """Returns name, part and table of the splits that are train, validation or test."""
    loaded = _load(origin)
    if not isinstance(loaded, dict):
        return [("train", Part.TRAIN, loaded)]
    named = {name: PART_FOLDERS[name] for name in loaded if name in PART_FOLDERS}
    if Part.TRAIN not in named.values():
        raise InputError(f"{origin}: has no split 'train'; it has {', '.join(loaded)}")
    return sorted(
        ((name, part, loaded[name]) for name, part in named.items()), key=lambda split: split[1]
    )


def _load(origin: str) -> Any:
    try:
        import datasets  # noqa: PLC0415 (optional)
    except ImportError:
        raise InputError(
            f"{origin}: needs the package datasets; pip install 'compound-nas[hf]'"
        ) from None
    name, _, config = origin.removeprefix(PREFIX).partition(":")
    folder = Path(name).expanduser()
    try:
        if folder.is_dir():
            return datasets.load_from_disk(str(folder))
        return datasets.load_dataset(name, config or None)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"{origin}: cannot be loaded ({one_line(error)[:200]}); the name of a data set on the "
            "hub, as hf:NAME or hf:NAME:CONFIG, or a folder that save_to_disk wrote is right"
        ) from None


def _split(origin: str, name: str, part: Part, table: Any) -> _Split:
    import datasets  # noqa: PLC0415 (optional)

    where, kinds = f"{origin}, {name}", table.features
    images = [key for key, kind in kinds.items() if isinstance(kind, datasets.Image)]
    labels = [key for key in _LABELS if key in kinds] or [
        key for key, kind in kinds.items() if isinstance(kind, datasets.ClassLabel)
    ]
    for column, right in ((images, "of images"), (labels, "of labels ('label')")):
        if not column:
            raise InputError(f"{where}: has no column {right}; it has {', '.join(kinds)}")
    names = getattr(kinds[labels[0]], "names", None)
    values = table.select_columns(labels[:1]).with_format("arrow")[:].column(0)
    return _Split(
        name,
        part,
        table.select_columns(images[:1]).cast_column(images[0], datasets.Image(decode=False)),
        images[0],
        number_labels(values, Path(where)),
        tuple(names) if names else None,
    )


def _unlabelled(split: _Split) -> bool:
    return split.part == Part.TEST and bool((split.labels == _UNKNOWN).all())
