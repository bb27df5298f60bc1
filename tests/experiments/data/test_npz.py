"""Arrays in an .npz: key names, shapes, number types, and rows that are refused by name."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from experiments.data import is_data, load_data
from tests.experiments.data.helpers import error_of

LABELS = np.array([0, 1] * 5)


def images(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def save(path: Path, **arrays: ArrayLike) -> Path:
    np.savez(path, allow_pickle=False, **arrays)
    return path


def failure(path: Path) -> str:
    return error_of(lambda: load_data(path))


def stored(tmp_path: Path, values: NDArray[Any]) -> NDArray[np.uint8]:
    return np.asarray(load_data(save(tmp_path / "a.npz", x=values, y=LABELS)).images)


def filled(dtype: str, first: float, rest: float) -> NDArray[Any]:
    values = np.full((10, 8, 8), rest, dtype=dtype)
    values[0] = first
    return values


@pytest.mark.parametrize(("image", "label"), [("images", "labels"), ("x", "y")])
def test_single_pool(tmp_path: Path, image: str, label: str) -> None:
    arrays = {image: images(10, 8, 8, 3), label: LABELS}
    data = load_data(save(tmp_path / "a.npz", **arrays))
    assert np.array_equal(data.images, arrays[image])
    assert data.classes == ("0", "1")
    assert [len(data.train), len(data.validation), len(data.test)] == [6, 2, 2]
    assert is_data(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("image", "label"), [("x_{}", "y_{}"), ("{}_images", "{}_labels")], ids=["keras", "medmnist"]
)
@pytest.mark.parametrize("parts", [["train"], ["train", "test"], ["train", "val", "test"]])
def test_parts(tmp_path: Path, image: str, label: str, parts: list[str]) -> None:
    arrays: dict[str, ArrayLike] = {}
    for number, part in enumerate(parts):
        arrays[image.format(part)] = images(10 - number, 8, 8)
        arrays[label.format(part)] = LABELS[: 10 - number, None]
    data = load_data(save(tmp_path / "a.npz", **arrays))
    assert len(data.images) == sum(10 - number for number in range(len(parts)))
    if len(parts) == 3:
        assert data.validation.tolist() == list(range(10, 19))
        assert data.test.tolist() == list(range(19, 27))
    if len(parts) == 2:
        assert data.test.tolist() == list(range(10, 19))


def test_shapes(tmp_path: Path) -> None:
    grey = images(10, 8, 8)
    wanted = np.repeat(grey[..., None], 3, axis=3)
    assert np.array_equal(stored(tmp_path, grey), wanted)
    assert np.array_equal(stored(tmp_path, grey[..., None]), wanted)
    assert np.array_equal(stored(tmp_path, grey[:, None]), wanted)
    colour = images(10, 3, 8, 8)
    assert np.array_equal(stored(tmp_path, colour), np.moveaxis(colour, 1, 3))
    clear = images(10, 8, 8, 4)
    clear[..., 3] = 0
    assert stored(tmp_path, clear).min() == 255
    assert stored(tmp_path, images(10, 9, 12)).shape == (10, 9, 9, 3)


@pytest.mark.parametrize(
    "shape", [(10, 8), (10, 8, 8, 2), (10, 5, 8, 8), (10, 8, 8, 3, 1), (10, 0, 8)]
)
def test_shapes_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = save(tmp_path / "a.npz", x=np.zeros(shape, np.uint8), y=LABELS)
    assert f"{path}: x has shape {shape}" in failure(path)


@pytest.mark.parametrize(
    ("dtype", "first", "rest", "wanted"),
    [
        ("bool", True, False, [255, 0]),
        ("uint16", 65535, 257 * 100, [255, 100]),
        (">u2", 65535, 257 * 100, [255, 100]),
        ("float32", 1.0, 0.5, [255, 128]),
        ("float64", 254.6, 0.4, [255, 0]),
        ("float16", 0.0, 0.25, [0, 64]),
        ("int64", 255, 7, [255, 7]),
        ("uint8", 1, 0, [1, 0]),
    ],
)
def test_number_types(
    tmp_path: Path, dtype: str, first: float, rest: float, wanted: list[int]
) -> None:
    got = stored(tmp_path, filled(dtype, first, rest))
    assert [int(got[0, 0, 0, 0]), int(got[5, 7, 7, 2])] == wanted


def test_float_scale_is_shared_by_the_parts(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.npz",
        x_train=filled("float32", 200, 100),
        y_train=LABELS,
        x_test=filled("float32", 1, 1),
        y_test=LABELS,
    )
    assert load_data(path).images[10].max() == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -0.1, 256, 1.01])
def test_floats_refused(tmp_path: Path, value: float) -> None:
    values = filled("float32", 0, 0.5)
    values[3, 2, 2] = value
    path = save(tmp_path / "a.npz", x=values, y=LABELS)
    message = failure(path)
    assert f"{path}: x row 3" in message
    assert "[0, 255]" in message


def test_integers_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", x=filled("int32", 256, 0), y=LABELS)
    assert "x row 0: values run from 256 to 256" in failure(path)
    path = save(tmp_path / "a.npz", x=filled("complex64", 0, 0), y=LABELS)
    assert "x is complex64" in failure(path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, -1] + [0] * 7, "y row 2: label -1 must be 0 or more"),
        ([0, 2] * 5, "label 1 has no images"),
        ([0.0, 1.0] * 5, "y is float64 (10,)"),
        (np.eye(10, dtype=int), "y is int64 (10, 10)"),
        (3, "y is int64 ()"),
        ([0, 1], "x has 10 rows and y has 2"),
    ],
)
def test_labels_refused(tmp_path: Path, labels: ArrayLike, message: str) -> None:
    assert message in failure(save(tmp_path / "a.npz", x=images(10, 8, 8), y=labels))


def test_class_names(tmp_path: Path) -> None:
    arrays = {"x": images(10, 8, 8), "y": LABELS}
    path = save(tmp_path / "a.npz", **arrays, classes=["cat", "dog"])
    assert load_data(path).classes == ("cat", "dog")
    path = save(tmp_path / "a.npz", **arrays, classes=["cat"])
    assert "y row 1: label 1 must be 0 to 0" in failure(path)
    path = save(tmp_path / "a.npz", **arrays, classes=[1, 2])
    assert "classes is int64" in failure(path)
    path = save(tmp_path / "a.npz", **arrays, classes=["cat", "cat"])
    assert "'cat' is listed twice" in failure(path)


def test_keys_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", data=images(10, 8, 8))
    assert f"{path}: has arrays data; one pair of" in failure(path)
    path = save(tmp_path / "a.npz", x_train=images(10, 8, 8), target=LABELS)
    assert "no array 'y_train'; it has x_train, target" in failure(path)
    path = save(tmp_path / "a.npz", x=images(10, 8, 8), y=LABELS)


def test_class_only_in_test(tmp_path: Path) -> None:
    path = save(
        tmp_path / "a.npz",
        x_train=images(10, 8, 8),
        y_train=LABELS,
        x_test=images(3, 8, 8),
        y_test=[0, 1, 2],
    )
    assert "class '2' has 1 images in test and none in train" in failure(path)


def test_files_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    for content in (b"", b"nonsense", b"PK\x03\x04 nonsense"):
        path.write_bytes(content)
        assert f"{path}: cannot be read as .npz" in failure(path)
    with path.open("wb") as file:
        np.save(file, LABELS)
    assert "single array" in failure(path)
    np.savez(path, x=np.array([{}], dtype=object), y=LABELS)
    assert f"{path}: x cannot be read" in failure(path)


def test_damaged_member(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, x=images(10, 8, 8), y=LABELS)
    content = bytearray(path.read_bytes())
    content[100:200] = bytes(100)
    path.write_bytes(content)
    assert str(path) in failure(path)


def test_fingerprint(tmp_path: Path) -> None:
    values = images(10, 8, 8)
    one = load_data(save(tmp_path / "a.npz", x=values, y=LABELS))
    (tmp_path / "other").mkdir()
    same = load_data(save(tmp_path / "other" / "b.npz", images=values, labels=LABELS))
    values[4, 4, 4] ^= 1
    changed = load_data(save(tmp_path / "c.npz", x=values, y=LABELS))
    assert one.fingerprint == same.fingerprint != changed.fingerprint
