"""WebDataset's tar shards: a file, a folder of them, or a pattern like train-{000..146}.tar."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from experiments.data import cache
from experiments.data.container import filled
from experiments.data.image_data import IndexArray, Part
from experiments.data.images import one_line
from experiments.data.parquet_labels import encode_labels, listed_class_names
from experiments.data.pool import Payload, Pool, stamp_files
from experiments.data.shards import PART_FOLDERS, files_in, files_of_parts
from experiments.data.tar_index import ShardIndex, holds_samples, index_shard, member_name
from search_spaces.errors import InputError

__all__ = ["expand_braces", "holds_tar_samples", "is_tars", "open_tars"]

_SUFFIX = ".tar"
_BRACES = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")
_KIND, _LABELS = "index", "labels"


@dataclass(frozen=True, eq=False)
class _Members:
    """Reads images by their shard (N,), first byte (N,) and length (N,)."""

    scattered: ClassVar[bool] = True
    paths: tuple[Path, ...]
    shards: IndexArray
    starts: IndexArray
    sizes: IndexArray

    def stream(self, chosen: IndexArray) -> Iterator[Payload]:
        for shard in np.unique(self.shards[chosen]):
            path = self.paths[shard]
            try:
                with path.open("rb") as file:
                    for item in chosen[self.shards[chosen] == shard]:
                        yield self._read(file.fileno(), int(item))
            except OSError as error:
                raise InputError(f"{path}: cannot be read ({one_line(error)})") from None

    def _read(self, file: int, item: int) -> bytes:
        content = os.pread(file, int(self.sizes[item]), int(self.starts[item]))
        if len(content) < self.sizes[item]:
            raise InputError(f"{self.where(item)}: is cut short")
        return content

    def where(self, item: int) -> str:
        path = self.paths[self.shards[item]]
        return f"{path}: {member_name(path, int(self.starts[item]))}"

    def stamp(self) -> str:
        return stamp_files(self.paths)


def is_tars(source: str | Path) -> bool:
    """Says whether a source is a .tar file, a folder that holds some, or a pattern of them."""
    path = Path(source).expanduser()
    if path.suffix.casefold() == _SUFFIX and (path.is_file() or _BRACES.search(str(source))):
        return True
    return path.is_dir() and (bool(files_in(path, _SUFFIX)) or bool(_in_part_folders(path)))


def holds_tar_samples(source: str | Path) -> bool:
    """Says whether the first shard of a source holds images."""
    try:
        return is_tars(source) and holds_samples(_list_shards(source)[0][0])
    except InputError:
        return False


def open_tars(source: str | Path) -> Pool:
    """Lists the images of shards by part and name; reads headers and labels only.

    Raises InputError naming the shard and sample that is not right.
    """
    listed = _list_shards(source)
    paths = [path for path, _ in listed]
    indices = _indices(paths)
    counts = [len(index.labels) for index in indices]
    if empty := [path for path, count in zip(paths, counts, strict=True) if not count]:
        raise InputError(f"{empty[0]}: holds no images; key.jpg with key.cls is right")
    names = listed_class_names(paths[0].parent)
    columns = _columns([index.labels for index in indices])
    labels, classes = encode_labels(columns, paths, names, str(source))
    return Pool(
        origin=str(source),
        parts=np.repeat(np.array([part for _, part in listed], dtype=np.int8), counts),
        labels=labels,
        classes=classes,
        reader=_Members(
            tuple(paths),
            np.repeat(np.arange(len(paths)), counts),
            np.concatenate([index.starts for index in indices]),
            np.concatenate([index.sizes for index in indices]),
        ),
    )


def expand_braces(pattern: str) -> list[str]:
    """Returns what `{000..146}` and `{a,b}` in a pattern stand for, in order."""
    found = _BRACES.search(pattern)
    if found is None:
        return [pattern]
    if numbers := _RANGE.fullmatch(found[1]):
        first, last = int(numbers[1]), int(numbers[2])
        choices = [str(number).zfill(len(numbers[1])) for number in range(first, last + 1)]
    else:
        choices = found[1].split(",")
    before, after = pattern[: found.start()], pattern[found.end() :]
    return [before + choice + rest for choice in choices for rest in expand_braces(after)]


def _list_shards(source: str | Path) -> list[tuple[Path, Part]]:
    path = Path(source).expanduser()
    if path.is_file():
        return [(path, Part.TRAIN)]
    if path.is_dir():
        files = files_in(path, _SUFFIX)
        return files_of_parts(files, str(path)) if files else _in_part_folders(path)
    files = [Path(name) for name in expand_braces(str(path))]
    if absent := [file for file in files if not file.is_file()]:
        raise InputError(f"{source}: {absent[0]} is missing, of {len(files)} shards")
    return files_of_parts(files, str(source))


def _in_part_folders(root: Path) -> list[tuple[Path, Part]]:
    found = sorted(
        (PART_FOLDERS[folder.name.casefold()], path)
        for folder in root.iterdir()
        if folder.name.casefold() in PART_FOLDERS
        for path in files_in(folder, _SUFFIX)
    )
    return [(path, part) for part, path in found]


def _columns(texts: list[list[str]]) -> list[NDArray[Any]]:
    """Returns labels as numbers where every one is, else as strings."""
    try:
        return [np.array([int(text) for text in shard], dtype=np.int64) for shard in texts]
    except (ValueError, OverflowError):
        return [np.array(shard, dtype=object) for shard in texts]


def _indices(paths: list[Path]) -> list[ShardIndex]:
    """Indexes shards, or takes from the cache what was found when they were as they are."""
    key = cache.key_of(shards=stamp_files(paths), version=1)
    known = _known(key, len(paths))
    if known is None:
        known = [index_shard(path) for path in paths]
        _keep(key, known)
    return known


def _known(key: str, count: int) -> list[ShardIndex] | None:
    contents = cache.find(cache.path_of(key, _KIND))
    if contents is None or _LABELS not in contents.places:
        return None
    texts = contents.array(_LABELS).tobytes().decode().split("\n")
    ends = np.cumsum(contents.array("counts"))
    if len(ends) != count or ends[-1] != len(texts):
        return None
    starts, sizes = contents.array("starts"), contents.array("sizes")
    cuts = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    return [ShardIndex(starts[cut], sizes[cut], texts[cut]) for cut in cuts]


def _keep(key: str, indices: list[ShardIndex]) -> None:
    text = "\n".join(label for index in indices for label in index.labels).encode()
    arrays = {
        "counts": np.array([len(index.labels) for index in indices], dtype=np.int64),
        "starts": np.concatenate([index.starts for index in indices]),
        "sizes": np.concatenate([index.sizes for index in indices]),
    }
    with suppress(OSError):
        if cache.make_room(len(text)):
            with filled(cache.path_of(key, _KIND)) as writer:
                writer.append(text)
                writer.finish(_LABELS, (len(text),), arrays, {})
