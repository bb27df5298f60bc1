"""Every mode of image becomes the right RGB pixels, or an error that names the file."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from experiments.data.images import decode, fit, header_size, named_errors
from tests.experiments.data.helpers import encode, error_of, noise, paint


def pixels(path: Path) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(decode(path.read_bytes()))


def refusal(path: Path) -> str:
    def call() -> None:
        with named_errors(lambda: str(path)):
            decode(path)

    message = error_of(call)
    assert message.startswith(f"{path}: ")
    return message


def grey16(values: list[int]) -> Image.Image:
    return Image.fromarray(np.array([values], dtype=np.uint16))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff", "ppm", "webp"])
def test_lossless_rgb_is_kept(tmp_path: Path, suffix: str) -> None:
    image = noise(1)
    options = {"lossless": True} if suffix == "webp" else {}
    assert np.array_equal(
        pixels(paint(tmp_path / f"a.{suffix}", image, **options)), np.asarray(image)
    )


def test_jpeg_is_near(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 16), (200, 100, 50))
    got = pixels(paint(tmp_path / "a.jpg", image, quality=95))
    assert np.abs(got.astype(int) - [200, 100, 50]).max() <= 3


@pytest.mark.parametrize("suffix", ["png", "pgm", "bmp", "gif"])
def test_grey_is_replicated(tmp_path: Path, suffix: str) -> None:
    grey = Image.fromarray(np.arange(144, dtype=np.uint8).reshape(12, 12))
    got = pixels(paint(tmp_path / f"a.{suffix}", grey))
    assert np.array_equal(got, np.repeat(np.asarray(grey)[:, :, None], 3, axis=2))


def test_one_bit_is_black_and_white(tmp_path: Path) -> None:
    bits = Image.fromarray(np.array([[0, 255], [255, 0]], dtype=np.uint8)).convert("1")
    assert pixels(paint(tmp_path / "a.png", bits))[:, :, 0].tolist() == [[0, 255], [255, 0]]


def test_palette(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert pixels(paint(tmp_path / "a.png", image)).tolist() == [[[10, 20, 30], [40, 50, 60]]]


@pytest.mark.parametrize("transparency", [0, b"\x00\xff"])
def test_transparent_palette_is_on_white(tmp_path: Path, transparency: int | bytes) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    got = pixels(paint(tmp_path / "a.png", image, transparency=transparency))
    assert got.tolist() == [[[255, 255, 255], [40, 50, 60]]]


def test_straight_alpha_is_on_white(tmp_path: Path) -> None:
    image = Image.fromarray(
        np.array([[[100, 0, 200, 0], [100, 0, 200, 51], [100, 0, 200, 255]]], dtype=np.uint8)
    )
    got = pixels(paint(tmp_path / "a.png", image))
    assert got.tolist() == [[[255, 255, 255], [224, 204, 244], [100, 0, 200]]]


def test_grey_with_alpha(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[[0, 0], [0, 255]]], dtype=np.uint8), "LA")
    assert pixels(paint(tmp_path / "a.png", image))[0, :, 1].tolist() == [255, 0]


@pytest.mark.parametrize(
    ("mode", "colour", "clear"), [("L", 7, 7), ("RGB", (1, 2, 3), (1, 2, 3)), ("I;16", 700, 700)]
)
def test_colour_key_is_on_white(
    tmp_path: Path, mode: str, colour: int | tuple[int, ...], clear: int | tuple[int, ...]
) -> None:
    image = Image.new(mode, (2, 1), 0)
    image.putpixel((1, 0), colour)
    got = pixels(paint(tmp_path / "a.png", image, transparency=clear))
    assert got.tolist() == [[[0, 0, 0], [255, 255, 255]]]


def test_cmyk(tmp_path: Path) -> None:
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    got = pixels(paint(tmp_path / "a.tif", image))
    assert got[0, 0].tolist() == [255, 0, 0]
    near = pixels(paint(tmp_path / "a.jpg", image))[0, 0].astype(int)
    assert np.abs(near - [255, 0, 0]).max() <= 4


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bit_grey_is_scaled(tmp_path: Path, suffix: str) -> None:
    image = grey16([0, 257 * 100, 257 * 100 + 128, 257 * 100 + 129, 65535])
    got = pixels(paint(tmp_path / f"a.{suffix}", image))
    assert got[0, :, 2].tolist() == [0, 100, 100, 101, 255]


def test_big_endian_sixteen_bit_grey(tmp_path: Path) -> None:
    image = Image.frombytes("I;16B", (2, 1), b"\xff\xff\x64\x64")
    path = paint(tmp_path / "a.tif", image)
    with Image.open(path) as stored:
        assert stored.mode == "I;16B"
    assert pixels(path)[0, :, 0].tolist() == [255, 100]


def test_thirty_two_bit_grey(tmp_path: Path) -> None:
    good = Image.fromarray(np.array([[0, 65535]], dtype=np.int32))
    assert pixels(paint(tmp_path / "a.tif", good))[0, :, 0].tolist() == [0, 255]
    for values in ([0, 70000], [-1, 5]):
        bad = Image.fromarray(np.array([values], dtype=np.int32))
        assert f"{values[0]} to {values[1]}" in refusal(paint(tmp_path / "b.tif", bad))


@pytest.mark.parametrize(
    ("values", "wanted"), [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 99.6, 255.0], [0, 100, 255])]
)
def test_float_grey(tmp_path: Path, values: list[float], wanted: list[int]) -> None:
    image = Image.fromarray(np.array([values], dtype=np.float32))
    assert pixels(paint(tmp_path / "a.tif", image))[0, :, 0].tolist() == wanted


@pytest.mark.parametrize("value", [-0.5, 256.0, np.nan, np.inf])
def test_float_grey_out_of_range(tmp_path: Path, value: float) -> None:
    image = Image.fromarray(np.array([[0, value]], dtype=np.float32))
    assert "[0, 1] or [0, 255]" in refusal(paint(tmp_path / "a.tif", image))


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    for suffix in ("gif", "png", "webp", "tif"):
        path = paint(tmp_path / f"a.{suffix}", frames[0], save_all=True, append_images=frames[1:])
        assert np.abs(pixels(path)[4, 4].astype(int) - [255, 0, 0]).max() <= 3, suffix


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_exif_orientation(tmp_path: Path, orientation: int, suffix: str) -> None:
    upright = Image.new("RGB", (32, 16), "white")
    ImageDraw.Draw(upright).rectangle((0, 0, 15, 7), fill="red")
    inverse = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(inverse[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = pixels(paint(tmp_path / f"a.{suffix}", stored, exif=exif)).astype(int)
    assert np.abs(got - np.asarray(upright)).max() <= (80 if suffix == "jpg" else 0)


def test_damaged_exif_is_no_error(tmp_path: Path) -> None:
    path = paint(tmp_path / "a.png", noise(1), exif=b"Exif\x00\x00broken")
    assert np.array_equal(pixels(path), np.asarray(noise(1)))


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "bmp", "tif", "webp", "ppm"])
def test_truncated_is_named(tmp_path: Path, suffix: str) -> None:
    path = paint(tmp_path / f"a.{suffix}", noise(1, (64, 64)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cannot be read as an image" in refusal(path) or "known format" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"not an image", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_not_an_image_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    assert "known format" in refusal(path)


def test_missing_payload() -> None:
    def call() -> None:
        with named_errors(lambda: "row 3"):
            decode(None)

    assert error_of(call).startswith("row 3: ")


@pytest.mark.parametrize("pixels_allowed", [200, 400])  # Pillow refuses one and warns of the other
def test_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels_allowed: int) -> None:
    path = paint(tmp_path / "a.png", noise(1, (25, 20)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels_allowed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # as decode_pool does around all its threads
        assert "500" in refusal(path) or "25×20" in refusal(path)


def test_header_size_needs_no_pixels(tmp_path: Path) -> None:
    data = encode(noise(1, (64, 40)))
    assert header_size(data[: len(data) // 2]) == (64, 40)
    assert header_size(np.zeros((5, 7, 3), dtype=np.uint8)) == (7, 5)


def test_arrays() -> None:
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    for array in (grey, grey[:, :, None]):
        assert np.array_equal(np.asarray(decode(array)), np.repeat(grey[:, :, None], 3, axis=2))
    clear = np.zeros((8, 8, 4), dtype=np.uint8)
    assert np.asarray(decode(clear)).min() == 255


def test_fit_crops_the_centre() -> None:
    image = noise(1, (20, 12))
    assert np.array_equal(np.asarray(fit(image, 12)), np.asarray(image)[:, 4:16])
    assert fit(image, 12).size == (12, 12)
    assert fit(noise(1), 12).tobytes() == noise(1).tobytes()


def test_fit_antialiases() -> None:
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = np.asarray(fit(Image.fromarray(stripes), 8)).astype(int)
    assert np.abs(small[2:6, 2:6] - 127).max() <= 3
    assert fit(noise(1, (9, 30)), 40).size == (40, 40)


def test_streams_are_not_needed_twice(tmp_path: Path) -> None:
    data = io.BytesIO(encode(noise(2), "TIFF")).getvalue()
    assert np.array_equal(np.asarray(decode(data)), np.asarray(noise(2)))
