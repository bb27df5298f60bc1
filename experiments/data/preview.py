"""A sheet of a data set's images, a row a class."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from experiments.data.image_data import IndexArray
from experiments.files import write_atomic_with
from search_spaces.errors import InputError

__all__ = ["Preview"]

_KINDS = (".png", ".jpg", ".jpeg", ".webp")
_PER_CLASS = 10
_MOST_CLASSES = 40
_TILE = 64  # pixels
_GAP = 4
_NAME_WIDTH = 150
_NAME_CHARACTERS = 20
_FONT_SIZE = 13


class Preview:
    """Collects images of up to 40 classes, ten of each, spread over the data, and draws them.

    Raises InputError for a path that does not end as a picture's does.
    """

    def __init__(self, path: Path, labels: IndexArray, classes: tuple[str, ...]) -> None:
        if path.suffix.casefold() not in _KINDS:
            raise InputError(f"{path}: is no name for a picture; FILE.png is right")
        self._path = path
        numbers = np.linspace(0, len(classes) - 1, min(_MOST_CLASSES, len(classes)))
        self._classes = classes
        self._rows = {int(number): _spread(labels, int(number)) for number in numbers}
        self._tiles: dict[int, Image.Image] = {}
        self.wanted = frozenset(position for row in self._rows.values() for position in row)

    def add(self, position: int, image: Image.Image) -> None:
        """Takes the image at a wanted position; may be called from several threads."""
        tile = image.copy()
        if max(tile.size) < _TILE:  # pixels of small images stay visible
            factor = _TILE // max(tile.size)
            size = (tile.width * factor, tile.height * factor)
            tile = tile.resize(size, Image.Resampling.NEAREST)
        tile.thumbnail((_TILE, _TILE))
        self._tiles[position] = tile

    def draw(self) -> Image.Image:
        """Returns the sheet; a cross stands for an image that could not be read."""
        step = _TILE + _GAP
        size = (_NAME_WIDTH + _PER_CLASS * step + _GAP, len(self._rows) * step + _GAP)
        sheet = Image.new("RGB", size, "white")
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT_SIZE)
        for line, (number, positions) in enumerate(self._rows.items()):
            top = _GAP + line * step
            name = self._classes[number]
            short = name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1]}…"
            pen.text((2 * _GAP, top + _TILE // 2), short, fill="black", font=font, anchor="lm")
            for column, position in enumerate(positions):
                self._place(sheet, pen, position, (_NAME_WIDTH + column * step, top))
        return sheet

    def _place(
        self, sheet: Image.Image, pen: ImageDraw.ImageDraw, position: int, corner: tuple[int, int]
    ) -> None:
        left, top = corner
        tile = self._tiles.get(position)
        if tile is None:
            right, bottom = left + _TILE - 1, top + _TILE - 1
            pen.rectangle((left, top, right, bottom), outline="red")
            pen.line((left, top, right, bottom), fill="red")
            pen.line((left, bottom, right, top), fill="red")
            return
        sheet.paste(tile, (left + (_TILE - tile.width) // 2, top + (_TILE - tile.height) // 2))

    def save(self) -> None:
        """Writes the sheet; raises InputError where it cannot be written."""
        write_atomic_with(self._path, self.draw().save)


def _spread(labels: IndexArray, number: int) -> list[int]:
    members = np.flatnonzero(labels == number)
    chosen = np.linspace(0, len(members) - 1, min(_PER_CLASS, len(members)))
    found: list[int] = members[chosen.astype(np.int64)].tolist()
    return found
