"""Where the images of WebDataset's tar shards lie, and the labels beside them.

A sample is the neighbouring members that share a name up to its first dot: `key.jpg` with
`key.cls`, or with `key.json` that holds a `label`.
"""

import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from experiments.data.images import SUFFIXES, one_line
from search_spaces.errors import InputError

__all__ = ["ShardIndex", "holds_samples", "index_shard", "member_name"]

_BLOCK = 512
_LABEL_KEYS = ("label", "cls", "class")
_LONGEST_LABEL = 2**20  # bytes


@dataclass(frozen=True, eq=False)
class ShardIndex:
    """Holds the first byte and length of each image (N,) of a shard, and its label's text."""

    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    labels: list[str]


def index_shard(path: Path) -> ShardIndex:
    """Lists the images of a shard in order, reading its headers and labels only.

    Raises InputError naming the sample that has no label, or two images.
    """
    starts, sizes, labels = [], [], []
    with _shard_errors(path), path.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as tar:
        for key, members in _samples(tar):
            images = [member for kind, member in members.items() if f".{kind}" in SUFFIXES]
            if len(images) > 1:
                raise InputError(f"{path}: {key} has {len(images)} images; one a sample is right")
            if images:
                starts.append(images[0].offset_data)
                sizes.append(images[0].size)
                labels.append(_label(path, key, members, file))
    return ShardIndex(np.array(starts, np.int64), np.array(sizes, np.int64), labels)


def holds_samples(path: Path) -> bool:
    """Says whether an image is among the first members of a shard."""
    try:
        with tarfile.open(path, "r:") as tar:
            first = [member.name for member, _ in zip(tar, range(16), strict=False)]
    except (OSError, tarfile.TarError):
        return False
    return any(f".{_split(name)[1]}" in SUFFIXES for name in first)


def member_name(path: Path, start: int) -> str:
    """Returns the name of the member whose content begins at a byte."""
    try:
        with path.open("rb") as file:
            block = os.pread(file.fileno(), _BLOCK, start - _BLOCK)
        return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape").name
    except (OSError, tarfile.TarError):
        return f"the member at byte {start}"


@contextmanager
def _shard_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, tarfile.TarError) as error:
        raise InputError(
            f"{path}: cannot be read as an uncompressed .tar ({one_line(error)})"
        ) from None


def _split(name: str) -> tuple[str, str]:
    folder, slash, base = name.rpartition("/")
    stem, _, kind = base.partition(".")
    return f"{folder}{slash}{stem}", kind.casefold()


def _samples(tar: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    files = (member for member in tar if member.isreg() and not _hidden(member.name))
    for key, members in groupby(files, lambda member: _split(member.name)[0]):
        yield key, {_split(member.name)[1]: member for member in members}


def _hidden(name: str) -> bool:
    return name.rpartition("/")[2].startswith(".")


def _label(path: Path, key: str, members: dict[str, tarfile.TarInfo], file: BinaryIO) -> str:
    text = ""
    if (member := members.get("cls")) is not None:
        text = _text(member, file)
    elif (member := members.get("json")) is not None:
        text = _json_label(_text(member, file))
    text = " ".join(text.split())
    if not text:
        raise InputError(
            f"{path}: {key} has an image and no label; {key}.cls, or a {key}.json with 'label', "
            "is right"
        )
    return text


def _text(member: tarfile.TarInfo, file: BinaryIO) -> str:
    content = os.pread(file.fileno(), min(member.size, _LONGEST_LABEL), member.offset_data)
    return content.decode("utf-8", errors="replace")


def _json_label(text: str) -> str:
    try:
        content = json.loads(text)
    except ValueError:
        return ""
    if not isinstance(content, dict):
        return ""
    return str(next((content[key] for key in _LABEL_KEYS if key in content), ""))
