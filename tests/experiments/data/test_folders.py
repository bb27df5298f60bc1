"""Folders of class folders: layouts, what is ignored, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.data import is_data, load_data
from tests.experiments.data.helpers import error_of, noise, paint, write_classes

COUNTS = {"cat": 6, "dog": 9}


def failure(root: Path) -> str:
    return error_of(lambda: load_data(root))


def test_flat_layout(tmp_path: Path) -> None:
    data = load_data(write_classes(tmp_path, COUNTS))
    assert data.name == str(tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.images.shape == (15, 12, 12, 3)
    assert np.asarray(data.images).flags.c_contiguous
    assert data.labels.tolist() == [0] * 6 + [1] * 9
    assert np.array_equal(data.images[7], np.asarray(noise(1001)))
    assert data.mirror


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Val"])
def test_parted_layout(tmp_path: Path, name: str) -> None:
    write_classes(tmp_path / "train", COUNTS)
    write_classes(tmp_path / name, {"dog": 2}, seed=1)
    write_classes(tmp_path / "test", {"cat": 1, "dog": 3}, seed=2)
    data = load_data(tmp_path)
    assert data.classes == ("cat", "dog")
    assert [len(data.train), len(data.validation), len(data.test)] == [15, 2, 4]
    assert data.labels[data.validation].tolist() == [1, 1]
    assert data.labels[data.test].tolist() == [0, 1, 1, 1]


def test_train_alone_is_carved(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", COUNTS)
    data = load_data(tmp_path)
    assert [len(data.train), len(data.validation), len(data.test)] == [10, 2, 3]


def test_train_may_be_a_class(tmp_path: Path) -> None:
    data = load_data(write_classes(tmp_path, {"train": 5, "plane": 5}))
    assert data.classes == ("plane", "train")


def test_what_is_not_an_image_is_ignored(tmp_path: Path) -> None:
    write_classes(tmp_path, COUNTS)
    paint(tmp_path / "cat" / "more" / "deep.PNG", noise(5))
    for name in ("notes.txt", ".DS_Store", "cat/list.csv", "cat/.hidden.png", "cat/Thumbs.db"):
        (tmp_path / name).write_bytes(b"x")
    for name in (".git", "__MACOSX"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "._a.png").write_bytes(b"x")
    data = load_data(tmp_path)
    assert data.classes == ("cat", "dog")
    assert len(data.images) == 16


def test_no_class_folders(tmp_path: Path) -> None:
    assert f"{tmp_path}: holds no class folders" in failure(tmp_path)
    paint(tmp_path / "a.png", noise(1))
    assert "images but no class folders" in failure(tmp_path)


def test_empty_class_folder_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path, COUNTS)
    (tmp_path / "eel").mkdir()
    (tmp_path / "eel" / "readme.txt").write_text("x")
    assert f"{tmp_path / 'eel'}: class folder holds no images" in failure(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    assert "only the class 'cat'" in failure(write_classes(tmp_path, {"cat": 5}))


def test_class_that_train_lacks(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", COUNTS)
    write_classes(tmp_path / "test", {"cat": 2, "eel": 1})
    message = failure(tmp_path)
    assert str(tmp_path / "test" / "eel" / "000.png") in message
    assert "'eel' of the test part is not in train, which has cat, dog" in message


def test_parts_without_train(tmp_path: Path) -> None:
    write_classes(tmp_path / "val", COUNTS)
    write_classes(tmp_path / "test", COUNTS)
    assert "no 'train' folder" in failure(tmp_path)


def test_part_given_twice(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        write_classes(tmp_path / name, COUNTS)
    assert "same part as 'val'" in failure(tmp_path)


def test_small_class_is_named(tmp_path: Path) -> None:
    assert "'eel' has 2 images" in failure(write_classes(tmp_path, {**COUNTS, "eel": 2}))


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_corrupt_image_is_named(tmp_path: Path, content: bytes | None) -> None:
    write_classes(tmp_path, COUNTS, size=(40, 40))
    for name in ("dog/003.png", "dog/005.png"):  # the first of them is the one reported
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:900] if content is None else content)
    message = failure(tmp_path)
    assert message.startswith(str(tmp_path / "dog" / "003.png"))


def test_size_is_the_median_of_shorter_sides(tmp_path: Path) -> None:
    write_classes(tmp_path, COUNTS)
    for index, size in enumerate([(30, 20), (20, 41), (20, 20), (24, 24), (24, 90), (99, 22)]):
        paint(tmp_path / "cat" / f"{index:03d}.png", noise(index, size))
    for index in range(9):
        paint(tmp_path / "dog" / f"{index:03d}.png", noise(index, (22, 50)))
    assert load_data(tmp_path).image_size == 22
    assert load_data(tmp_path, image_size=32).images.shape == (15, 32, 32, 3)


def test_median_is_capped_and_common_size_is_not(tmp_path: Path) -> None:
    tall = write_classes(tmp_path / "tall", {"a": 3, "b": 3}, size=(300, 310))
    assert load_data(tall).image_size == 256
    same = write_classes(tmp_path / "same", {"a": 3, "b": 3}, size=(300, 300))
    assert load_data(same).image_size == 300
    tiny = write_classes(tmp_path / "tiny", {"a": 3, "b": 3}, size=(4, 5))
    assert load_data(tiny).image_size == 8


def test_lone_odd_size_after_the_first_chunk(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 60, "b": 60})
    paint(tmp_path / "b" / "050.png", noise(1, (12, 16)))
    data = load_data(tmp_path)
    assert data.image_size == 12
    assert np.array_equal(data.images[110], np.asarray(noise(1, (12, 16)))[2:14])
    assert np.array_equal(data.images[111], np.asarray(noise(1051)))


def test_larger_images_are_threaded_in_order(tmp_path: Path) -> None:
    for index in range(80):
        image = Image.new("RGB", (100, 100), (index, 2 * index, 0))
        paint(tmp_path / ("a" if index < 40 else "b") / f"{index:03d}.png", image)
    data = load_data(tmp_path)
    assert data.images[:, 50, 50, 0].tolist() == list(range(80))


def test_memory_is_checked_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path, COUNTS)
    free = type("Free", (), {"available": 10_000})
    monkeypatch.setattr("experiments.data.decoding.psutil.virtual_memory", lambda: free)
    message = error_of(lambda: load_data(tmp_path, keep="memory"))
    assert "15 images at 12×12" in message
    assert "--limit" in message
    assert "--image-size" in message


def test_pillow_warnings_do_not_leak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_classes(tmp_path, COUNTS)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    message = failure(tmp_path)
    assert message.startswith(str(tmp_path / "cat" / "000.png"))
    assert "144" in message or "12×12" in message


def test_fingerprint_is_of_the_content(tmp_path: Path) -> None:
    one = load_data(write_classes(tmp_path / "one", COUNTS))
    two = load_data(write_classes(tmp_path / "two" / "deeper", COUNTS), seed=7)
    assert one.fingerprint == two.fingerprint
    assert one.split_digest != two.split_digest
    assert one.fingerprint != load_data(tmp_path / "one", image_size=16).fingerprint
    image = noise(1004)
    image.putpixel((3, 3), (1, 2, 3))
    paint(tmp_path / "two" / "deeper" / "dog" / "004.png", image)
    assert one.fingerprint != load_data(tmp_path / "two" / "deeper").fingerprint
    (tmp_path / "one" / "dog").rename(tmp_path / "one" / "fox")
    assert one.fingerprint != load_data(tmp_path / "one").fingerprint


def test_is_data(tmp_path: Path) -> None:
    assert not is_data(tmp_path)
    (tmp_path / "empty").mkdir()
    assert not is_data(tmp_path)
    assert is_data(write_classes(tmp_path, COUNTS))
    assert not is_data(tmp_path / "absent")
