"""WebDataset's shards: labels in every form, parts, patterns, and archives that are refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.data import is_data, load_data
from experiments.data.tars import expand_braces
from tests.experiments.data.forms import write_tar
from tests.experiments.data.helpers import encode, error_of, noise, write_classes


def members(
    labels: list[Any], *, first: int = 0, kind: str = "PNG", label: str = "cls"
) -> dict[str, bytes]:
    """Returns one sample a label: an image of noise and its label's file."""
    found = {}
    for number, text in enumerate(labels, first):
        found[f"s/{number:05d}.{kind.lower()}"] = encode(noise(number), kind)
        content = json.dumps({"label": text}) if label == "json" else str(text)
        found[f"s/{number:05d}.{label}"] = content.encode()
    return found


def failure(root: Path, content: Mapping[str, bytes], mode: str = "w") -> str:
    path = write_tar(root / "a.tar", content, mode)
    return error_of(lambda: load_data(path))


@pytest.mark.parametrize("label", ["cls", "json"])
@pytest.mark.parametrize(("first", "second"), [(0, 1), ("cat", "dog")])
def test_labels(label: str, first: object, second: object, tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", members([first, second] * 5, label=label))
    data = load_data(path)
    assert is_data(path)
    assert data.classes == (str(first), str(second))
    assert data.labels.tolist() == [0, 1] * 5
    assert np.array_equal(
        data.images[[0, 7]], np.stack([np.asarray(noise(0)), np.asarray(noise(7))])
    )


def test_class_names_may_be_listed(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar", members([1, 0] * 5))
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    assert load_data(tmp_path).classes == ("cat", "dog")


def test_jpeg_and_webp_and_what_is_beside_them(tmp_path: Path) -> None:
    content = members([0, 1] * 4, kind="JPEG") | members([0, 1] * 4, first=8, kind="WEBP")
    content = {"README.txt": b"about", "s/.hidden.png": b"no image", **content}
    content["s/00015.txt"] = b"a caption"
    assert len(load_data(write_tar(tmp_path / "a.tar", content)).images) == 16


def test_parts_by_name_by_folder_and_by_pattern(tmp_path: Path) -> None:
    for folder in ("names", "folders"):
        between = "-" if folder == "names" else "/"
        for number, part in enumerate(("train", "val", "test")):
            for shard in range(2):
                content = members([0, 1] * (4 - number), first=100 * number + 10 * shard)
                write_tar(tmp_path / folder / f"{part}{between}{shard:03d}.tar", content)
    pattern = str(tmp_path / "names" / "{train,val,test}-{000..001}.tar")
    loaded = [load_data(source) for source in (tmp_path / "names", tmp_path / "folders", pattern)]
    for data in loaded:
        assert [len(data.train), len(data.validation), len(data.test)] == [16, 12, 8]
        assert np.array_equal(data.images, loaded[0].images)
        assert data.fingerprint == loaded[0].fingerprint
    assert is_data(pattern)
    assert is_data(tmp_path / "folders")


def test_braces() -> None:
    assert expand_braces("a") == ["a"]
    assert expand_braces("{08..11}") == ["08", "09", "10", "11"]
    assert expand_braces("{a,b}-{1..2}") == ["a-1", "a-2", "b-1", "b-2"]


def test_an_archive_beside_class_folders_is_not_the_data(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 4, "b": 5})
    write_tar(tmp_path / "a.tar", members([0, 1] * 9))
    assert len(load_data(tmp_path).images) == 9


def test_a_second_listing_reads_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "a.tar", members(["x", "ÿ"] * 5))
    first = load_data(path)

    def refuse(_: Path) -> None:
        raise AssertionError("the archive was listed again")

    with monkeypatch.context() as patch:
        patch.setattr("experiments.data.tars.index_shard", refuse)
        again = load_data(path, image_size=20)
        assert again.classes == first.classes == ("x", "ÿ")
        assert np.array_equal(again.labels, first.labels)
    write_tar(path, members(["x", "z"] * 6))
    assert load_data(path).classes == ("x", "z")


def test_samples_refused(tmp_path: Path) -> None:
    good = members([0, 1] * 3)
    assert "s/9 has an image and no label" in failure(tmp_path, good | {"s/9.png": b"x"})
    unlabelled = good | {"s/9.png": b"x", "s/9.json": b'{"caption": "x"}'}
    assert "s/9.json with 'label'" in failure(tmp_path, unlabelled)
    two = good | {"s/9.png": b"x", "s/9.jpg": b"y", "s/9.cls": b"0"}
    assert "s/9 has 2 images" in failure(tmp_path, two)
    broken = good | {"s/9.png": b"not an image", "s/9.cls": b"0"}
    assert f"{tmp_path / 'a.tar'}: s/9.png: is not an image" in failure(tmp_path, broken)
    assert "row 6: label -1 must be 0 or more" in failure(tmp_path, good | members([-1], first=6))
    assert "holds no images" in failure(tmp_path, {"s/9.txt": b"x"})
    assert "holds only the class '0'" in failure(tmp_path, members([0] * 9))


def test_archives_refused(tmp_path: Path) -> None:
    assert "uncompressed .tar" in failure(tmp_path, members([0, 1] * 3), "w:gz")
    (tmp_path / "a.tar").write_bytes(b"not an archive" * 100)
    assert "cannot be read" in error_of(lambda: load_data(tmp_path / "a.tar"))
    assert not is_data(tmp_path / "a.tar")
    pattern = str(tmp_path / "b-{0..3}.tar")
    assert f"{tmp_path / 'b-0.tar'} is missing, of 4 shards" in error_of(lambda: load_data(pattern))
    write_tar(tmp_path / "only" / "test-0.tar", members([0, 1]))
    assert "no train*.tar beside it" in error_of(lambda: load_data(tmp_path / "only"))


def test_a_shard_that_shrank_is_named(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", members([0, 1] * 5))
    data = load_data(path, keep="stream")
    path.write_bytes(path.read_bytes()[:4000])
    assert f"{path}: " in error_of(lambda: data.images[np.array([9])])
    path.unlink()
    assert str(path) in error_of(lambda: data.images[np.array([9])])
