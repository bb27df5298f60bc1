"""Which part each file of a folder belongs to, by the beginning of its name."""

from pathlib import Path

from experiments.data.image_data import Part
from search_spaces.errors import InputError

__all__ = ["PART_FOLDERS", "files_in", "files_of_parts"]

PART_FOLDERS = {
    "train": Part.TRAIN,
    "val": Part.VALIDATION,
    "valid": Part.VALIDATION,
    "validation": Part.VALIDATION,
    "test": Part.TEST,
}
_PREFIXES = (("train", Part.TRAIN), ("val", Part.VALIDATION), ("test", Part.TEST))


def files_in(folder: Path, suffix: str) -> list[Path]:
    """Returns the visible files of a folder that end in `suffix`, by name; none if it is none."""
    if not folder.is_dir():
        return []
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.casefold() == suffix and not path.name.startswith(".") and path.is_file()
    )


def files_of_parts(files: list[Path], origin: str) -> list[tuple[Path, Part]]:
    """Returns files in part and name order: by their names' beginnings, or all as train.

    Raises InputError when the names speak of other parts and of no train part.
    """
    parts = {
        part: [file for file in files if file.name.casefold().startswith(prefix)]
        for prefix, part in _PREFIXES
    }
    if parts[Part.TRAIN]:
        return [(file, part) for part in Part for file in parts[part]]
    if sum(map(len, parts.values())) == len(files):
        beside = f"train*{files[0].suffix}"
        raise InputError(f"{origin}: holds {files[0].name} but no {beside} beside it")
    return [(file, Part.TRAIN) for file in files]
