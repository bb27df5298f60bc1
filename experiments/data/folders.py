"""A folder of class folders, in one pool or under train, val and test."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from experiments.data.image_data import IndexArray, Part
from experiments.data.images import SUFFIXES
from experiments.data.pool import Payload, Pool, stamp_files
from experiments.data.shards import PART_FOLDERS
from search_spaces.errors import InputError

__all__ = ["holds_class_folders", "is_folder", "open_folder"]

_KINDS = ", ".join(sorted(suffix.lstrip(".") for suffix in SUFFIXES))
_LAYOUT = f"ROOT/<class>/*.png or ROOT/train/<class>/*.png is right (images: {_KINDS})"


@dataclass(frozen=True)
class _Item:
    path: str
    part: Part
    class_name: str


@dataclass(frozen=True, eq=False)
class _Files:
    scattered: ClassVar[bool] = True
    paths: tuple[str, ...]

    def stream(self, chosen: IndexArray) -> Iterator[Payload]:
        return (Path(self.paths[item]) for item in chosen)

    def where(self, item: int) -> str:
        return self.paths[item]

    def stamp(self) -> str:
        return stamp_files(self.paths)


def is_folder(source: str | Path) -> bool:
    """Says whether a source is a folder."""
    return Path(source).expanduser().is_dir()


def holds_class_folders(source: str | Path) -> bool:
    """Says whether a source is a folder with an image inside one of its folders."""
    root = Path(source).expanduser()
    return root.is_dir() and any(True for folder in _folders(root) for _ in _walk_images(folder))


def open_folder(source: str | Path) -> Pool:
    """Lists the images of a folder, ordered by part, class and path.

    Raises InputError naming the folder that has no images, or no train part to belong to.
    """
    root = Path(source).expanduser()
    items = [
        item
        for part, folder in sorted(_part_folders(root).items())
        for item in _items(folder, part)
    ]
    classes = tuple(sorted({item.class_name for item in items if item.part == Part.TRAIN}))
    numbers = {name: number for number, name in enumerate(classes)}
    for item in items:
        _check_class(item, numbers)

    return Pool(
        origin=str(source),
        parts=np.array([item.part for item in items], dtype=np.int8),
        labels=np.array([numbers[item.class_name] for item in items], dtype=np.int64),
        classes=classes,
        reader=_Files(tuple(item.path for item in items)),
    )


def _part_folders(root: Path) -> dict[Part, Path]:
    """Returns the folder that holds the class folders of each part: `root` itself, or below."""
    folders = _folders(root)
    named = [folder for folder in folders if folder.name.casefold() in PART_FOLDERS]
    train = next((folder for folder in named if folder.name.casefold() == "train"), None)
    if train is not None and not _has_own_images(train):
        return _by_part(named)
    if folders and named == folders and train is None:
        raise InputError(f"{root}: holds '{named[0].name}' but no 'train' folder; {_LAYOUT}")
    return {Part.TRAIN: root}


def _by_part(named: list[Path]) -> dict[Part, Path]:
    found: dict[Part, Path] = {}
    for folder in named:
        part = PART_FOLDERS[folder.name.casefold()]
        if part in found:
            raise InputError(
                f"{folder}: is the same part as '{found[part].name}' beside it; keep one of them"
            )
        found[part] = folder
    return found


def _items(folder: Path, part: Part) -> Iterator[_Item]:
    class_folders = _folders(folder)
    if not class_folders:
        found = "images but no class folders" if _has_own_images(folder) else "no class folders"
        raise InputError(f"{folder}: holds {found}; {_LAYOUT}")
    for class_folder in class_folders:
        paths = sorted(_walk_images(class_folder), key=lambda path: path.replace(os.sep, "/"))
        if not paths:
            raise InputError(
                f"{class_folder}: class folder holds no images; add some ({_KINDS}) or remove it"
            )
        yield from (_Item(path, part, class_folder.name) for path in paths)


def _check_class(item: _Item, numbers: dict[str, int]) -> None:
    if item.class_name not in numbers:
        classes = list(numbers)
        raise InputError(
            f"{item.path}: class '{item.class_name}' of the {item.part.name.lower()} part is not "
            f"in train, which has {', '.join(classes[:10])}{', …' if len(classes) > 10 else ''}"
        )


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and _visible(path.name))


def _visible(name: str) -> bool:
    return not name.startswith(".") and name != "__MACOSX"


def _is_image(name: str) -> bool:
    stem, dot, suffix = name.rpartition(".")
    return bool(stem) and _visible(name) and f"{dot}{suffix.casefold()}" in SUFFIXES


def _has_own_images(folder: Path) -> bool:
    return any(_is_image(path.name) and path.is_file() for path in folder.iterdir())


def _walk_images(folder: Path) -> Iterator[str]:
    # strings: paths as objects take five times as long, seconds for a hundred thousand files
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if _visible(name)]
        yield from (f"{parent}{os.sep}{name}" for name in files if _is_image(name))
