"""What the doctor says of data: each fault planted, found, counted and named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from experiments.data import load_data
from experiments.data.inspect import inspect_data
from tests.conftest import Caller
from tests.experiments.data.forms import FORMS, as_folder, as_parquet
from tests.experiments.data.helpers import (
    encode,
    error_of,
    noise,
    paint,
    write_classes,
    write_parquet,
)


@pytest.mark.parametrize("name", FORMS)
def test_sound_data(name: str, tmp_path: Path) -> None:
    source = FORMS[name](tmp_path)
    found = json.loads(json.dumps(inspect_data(source)))
    assert found["problems"] == []
    assert found["images"] == found["looked_at"] == 24
    assert found["sizes"] == {
        "different": 1, "common": [[12, 12, 24]],
        "min": [12, 12], "median": [12, 12], "max": [12, 12],
    }  # fmt: skip
    assert found["modes"] == {"RGB": 24}
    assert found["by_class"]["0"] == {"train": 7, "validation": 2, "test": 3}
    for kind in ("unreadable", "duplicates", "leaks", "contradictions", "one_colour"):
        assert found[kind]["count"] == 0
    assert found.items() >= load_data(source).describe().items()  # what a run would record


def test_unreadable_images_are_all_listed(tmp_path: Path) -> None:
    root = write_classes(tmp_path, {"a": 20, "b": 20})
    for number in (0, 3, 7):
        (root / "a" / f"{number:03d}.png").write_bytes(b"no image")
    (root / "b" / "019.png").write_bytes(encode(noise(1))[:-200])
    found = inspect_data(root)
    assert found["unreadable"]["count"] == 4
    names = [line.split(": ")[0] for line in found["unreadable"]["listed"]]
    assert names == [str(root / "a" / f"{n:03d}.png") for n in (0, 3, 7)] + [
        str(root / "b" / "019.png")
    ]
    assert found["problems"] == ["4 of 40 images cannot be read"]
    assert found["fingerprint"] is None
    assert found["counts"] == {"train": 26, "validation": 6, "test": 8}


def test_a_source_that_breaks_off(tmp_path: Path) -> None:
    values = np.zeros((10, 8, 8))
    values[7] = np.nan
    np.savez(tmp_path / "a.npz", x=values, y=[0, 1] * 5)
    found = inspect_data(tmp_path / "a.npz")
    assert found["looked_at"] == 0
    assert "x row 7" in found["broken"]
    assert found["problems"][0].startswith("the source cannot be read to its end: ")


def test_copies_leaks_and_contradictions(tmp_path: Path) -> None:
    for part, first in (("train", 0), ("val", 1), ("test", 2)):
        write_classes(tmp_path / part, {"a": 12, "b": 12}, seed=first)
    paint(tmp_path / "train" / "a" / "copy.png", noise(3))  # of train's own a/003
    paint(tmp_path / "test" / "a" / "copy.bmp", noise(4))  # other bytes, same pixels as train's
    paint(tmp_path / "val" / "b" / "copy.png", noise(5))  # train's a/005, called b
    found = inspect_data(tmp_path)
    assert (found["duplicates"]["count"], found["duplicates"]["groups"]) == (3, 3)
    assert found["duplicates"]["examples"][0] == [
        f"{tmp_path / 'train' / 'a' / '003.png'} (train, a)",
        f"{tmp_path / 'train' / 'a' / 'copy.png'} (train, a)",
    ]
    assert (found["leaks"]["validation"], found["leaks"]["test"]) == (1, 1)
    assert found["leaks"]["examples"][0][1] == f"{tmp_path / 'test/a/copy.bmp'} (test, a)"
    assert found["contradictions"]["count"] == 2
    assert "1 of 25 test images have the very pixels of an earlier part's" in found["problems"]
    assert "2 images have the very pixels of one of another class" in found["warnings"]


def test_a_small_leak_is_a_warning(tmp_path: Path) -> None:
    images = [encode(noise(index)) for index in range(600)]
    write_parquet(tmp_path / "train.parquet", [0, 1] * 100, images=images[:200])
    write_parquet(tmp_path / "val.parquet", [0, 1] * 50, images=images[200:300])
    write_parquet(tmp_path / "test.parquet", [0, 1] * 101, images=[images[0], *images[300:501]])
    found = inspect_data(tmp_path)
    assert found["problems"] == []
    assert found["warnings"] == ["1 of 202 test images have the very pixels of an earlier part's"]


def test_sizes_modes_colours_and_uneven_classes(tmp_path: Path) -> None:
    write_classes(tmp_path, {"many": 130}, size=(20, 30))
    paint(tmp_path / "few" / "0.png", Image.new("L", (40, 10), 9))
    paint(tmp_path / "few" / "1.png", Image.new("RGBA", (50, 60), (1, 2, 3, 255)))
    paint(tmp_path / "few" / "2.png", noise(1, (20, 30)).convert("P"))
    found = inspect_data(tmp_path)
    assert found["sizes"]["common"][0] == [20, 30, 131]
    assert (found["sizes"]["min"], found["sizes"]["max"]) == ([20, 10], [50, 60])
    assert found["modes"] == {"RGB": 130, "L": 1, "RGBA": 1, "P": 1}
    assert found["one_colour"]["count"] == 2
    assert found["image_size"] == 20
    assert found["warnings"] == [
        "2 images are of one colour",
        "classes with fewer than 10 train images: few (1)",
        "classes are uneven: 84 train images of many, 1 of few",
    ]


def test_a_class_too_small_to_split_is_a_problem(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 12, "b": 2})
    (problem,) = inspect_data(tmp_path)["problems"]
    assert "class 'b' has 2 images; 3 are needed" in problem


def test_preview(tmp_path: Path) -> None:
    root = as_folder(tmp_path)
    (root / "1" / "000.png").write_bytes(b"no image")
    path = tmp_path / "sheet.png"
    assert inspect_data(root, preview=path)["preview"] == str(path)
    with Image.open(path) as sheet:
        assert sheet.size == (150 + 10 * 68 + 4, 2 * 68 + 4)
        shown = np.asarray(sheet.convert("RGB"))
    first = np.asarray(noise(0))  # 12 pixels a side, drawn five times as large in the middle
    assert np.array_equal(shown[4 + 2 : 4 + 62 : 5, 152 : 152 + 60 : 5], first)
    assert shown[72, 150].tolist() == [255, 0, 0]  # the frame of the unreadable one
    assert "FILE.png is right" in error_of(lambda: inspect_data(root, preview=tmp_path / "x.txt"))


def test_preview_of_many_classes(tmp_path: Path) -> None:
    labels = [f"class {number:02d} of a long name" for number in range(50)] * 3
    write_parquet(tmp_path / "a.parquet", labels)
    inspect_data(tmp_path / "a.parquet", preview=tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height == 40 * 68 + 4


def test_the_command_for_sound_data(call: Caller, tmp_path: Path) -> None:
    source = as_parquet(tmp_path)
    done = call("doctor", "--data", source, "--preview", "sheet.png")
    assert done.status == 0
    assert "no problems found in 24 images" in done.out
    assert (tmp_path / "sheet.png").is_file()
    assert "cache " in done.out


def test_the_command_for_faulty_data(call: Caller, tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {f"class {n}": 4 for n in range(30)})
    write_classes(tmp_path / "test", {f"class {n}": 1 for n in range(30)})
    (tmp_path / "train" / "class 0" / "001.png").write_bytes(b"no image")
    done = call("doctor", "--data", tmp_path)
    assert done.status == 1
    told = (
        "… 6 more …", "unreadable: 1", "001.png: is not an image", "leaks: 30",
        "PROBLEM: 1 of 150 images cannot be read",
        "PROBLEM: 30 of 30 test images have the very pixels",
        "warning: classes with fewer than 10 train images: class 0 (",
    )  # fmt: skip
    for line in told:
        assert line in done.out
    assert "no problems found" not in done.out
    faulty = call("doctor", "--data", tmp_path, "--json")
    assert faulty.status == 1
    document: Any = faulty.document
    assert document["healthy"] is False
    assert len(document["data"]["problems"]) == 2


def test_the_command_refuses(call: Caller, tmp_path: Path) -> None:
    write_classes(tmp_path / "one", {"only": 9})
    for words, message in (
        (("--data", tmp_path / "one"), "holds only the class 'only'"),
        (("--preview", "x.png"), "--preview x.png needs the --data to draw from"),
        (("--data", "digits", "--preview", "x.txt"), "x.txt: is no name for a picture"),
    ):
        done = call("doctor", *words)
        assert done.status == 2
        assert message in done.err
        assert len(done.err.splitlines()) == 1
