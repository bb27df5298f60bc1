"""One image of any mode into square RGB pixels, by Pillow, with every failure named."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from experiments.data.pool import Payload
from search_spaces.errors import InputError

__all__ = ["SUFFIXES", "decode", "fit", "header_size", "named_errors", "one_line", "stored_mode"]

SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)

# Only these are tried: quicker than all of Pillow's, and some others start outside programs.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM")

_DECODE_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    SyntaxError,  # Pillow's own word for a broken file
    TypeError,
    ValueError,
    EOFError,
    Image.DecompressionBombError,
    struct.error,
    zlib.error,
)

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def one_line(error: BaseException) -> str:
    """Returns an error's text on one line, or its kind where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def named_errors(where: Callable[[], str]) -> Iterator[None]:
    """Turns whatever Pillow raises on a bad image into an InputError that begins with `where()`."""
    try:
        yield
    except InputError:
        raise
    except UnidentifiedImageError:
        known = ", ".join(_FORMATS)
        raise InputError(f"{where()}: is not an image of a known format ({known})") from None
    except _DECODE_ERRORS as error:
        raise InputError(
            f"{where()}: cannot be read as an image ({one_line(error)}); repair or remove it"
        ) from None


def header_size(payload: Payload) -> tuple[int, int]:
    """Returns the stored width and height in pixels without decoding any."""
    if isinstance(payload, np.ndarray):
        return payload.shape[1], payload.shape[0]
    with _open(payload) as image:
        return image.size


def stored_mode(payload: Payload) -> str:
    """Returns Pillow's name of how pixels are stored: RGB, L, P, RGBA, CMYK."""
    if isinstance(payload, np.ndarray):
        return "L" if payload.ndim == 2 else {1: "L", 3: "RGB", 4: "RGBA"}[payload.shape[2]]
    with _open(payload) as image:
        return image.mode


def decode(payload: Payload) -> Image.Image:
    """Returns the first frame, upright, as RGB at its own size, with transparency on white."""
    if isinstance(payload, np.ndarray):
        return _to_rgb(
            Image.fromarray(payload.squeeze(2) if payload.shape[2:] == (1,) else payload)
        )
    with _open(payload) as image:
        image.load()
        return _upright(image, _to_rgb(image))


def fit(image: Image.Image, size: int) -> Image.Image:
    """Returns the central square of an image at (size, size) pixels.

    The same geometry as scaling the shorter side to `size` and cropping the centre; cropping
    first saves work. Bicubic, which Pillow antialiases when it reduces.
    """
    width, height = image.size
    side = min(width, height)
    if width != height:
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    return image if side == size else image.resize((size, size), Image.Resampling.BICUBIC)


def _open(payload: bytes | Path | None) -> Image.Image:
    if payload is None:
        raise ValueError("the image is missing")
    image = Image.open(
        io.BytesIO(payload) if isinstance(payload, bytes) else payload, "r", _FORMATS
    )
    width, height = image.size
    if Image.MAX_IMAGE_PIXELS is not None and width * height > Image.MAX_IMAGE_PIXELS:
        image.close()
        raise ValueError(f"{width}×{height} pixels are more than {Image.MAX_IMAGE_PIXELS}")
    return image


def _upright(stored: Image.Image, image: Image.Image) -> Image.Image:
    try:
        turn = _TURNS.get(stored.getexif().get(ExifTags.Base.Orientation, 1))
    except _DECODE_ERRORS:  # a damaged EXIF block takes nothing from the pixels
        return image
    return image if turn is None else image.transpose(turn)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey_to_rgb(image)
    if image.has_transparency_data:
        return _on_white(image.convert("RGBA"))
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image)
    return canvas


def _grey_to_rgb(image: Image.Image) -> Image.Image:
    values = np.asarray(image)
    grey = _float_to_uint8(values) if image.mode == "F" else _wide_to_uint8(values)
    if (clear := image.info.get("transparency")) is not None:
        grey[values == clear] = 255
    return Image.fromarray(grey).convert("RGB")


def _wide_to_uint8(values: NDArray[np.integer]) -> NDArray[np.uint8]:
    low, high = int(values.min()), int(values.max())
    if low < 0 or high > 65535:
        raise ValueError(f"grey values run from {low} to {high}, 0 to 65535 is right")
    return ((values.astype(np.int32) + 128) // 257).astype(np.uint8)  # 257 · 255 = 65535


def _float_to_uint8(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 255):  # written so that NaN fails too
        raise ValueError(f"grey values run from {low:g} to {high:g}, [0, 1] or [0, 255] is right")
    scaled: NDArray[np.uint8] = np.rint(values * (255 if high <= 1 else 1)).astype(np.uint8)
    return scaled
