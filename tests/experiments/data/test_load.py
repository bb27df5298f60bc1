"""What every source gives, the embedded digits, and sources and options that are refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.data import FORMS, ImageData, Part, is_data, load_data
from tests.experiments.data.forms import FORMS as ALL_FORMS
from tests.experiments.data.helpers import error_of, write_classes


@pytest.fixture(params=[*ALL_FORMS.values(), lambda _: "digits"], ids=[*ALL_FORMS, "digits"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    make: Callable[[Path], Path | str] = request.param
    return make(tmp_path)


def test_contract(source: Path | str) -> None:
    data = load_data(source, limit=60)
    assert is_data(source)
    assert data.name == str(source)
    assert data.images.dtype == np.uint8
    assert np.asarray(data.images).flags.c_contiguous
    assert data.images.shape[1:] == (data.image_size, data.image_size, 3)
    assert data.labels.dtype == np.int64
    assert data.num_classes == len(data.classes)
    for part in Part:
        indices = data.indices(part)
        assert indices.dtype == np.int64
        assert np.array_equal(indices, np.unique(indices))
        assert set(data.labels[indices]) == set(range(data.num_classes))
    train = data.images[data.train].reshape(-1, 3) / 255
    assert np.allclose(data.mean, train.mean(axis=0))
    assert np.allclose(data.std, train.std(axis=0))
    assert len(data.fingerprint) == len(data.split_digest) == 16
    again = load_data(source, limit=60)
    assert again.describe() == data.describe()
    assert np.array_equal(again.images, data.images)


def test_description_is_json(source: Path | str) -> None:
    data = load_data(source, limit=60)
    told = json.loads(json.dumps(data.describe()))
    assert told["counts"]["train"] == len(data.train)
    assert told["classes"] == list(data.classes)
    assert told["fingerprint"] == data.fingerprint
    assert told["image_size"] == data.image_size


def test_the_same_images_in_every_form(tmp_path: Path) -> None:
    loaded = {name: load_data(make(tmp_path)) for name, make in ALL_FORMS.items()}
    folder = loaded["folder"]
    for name, other in loaded.items():
        assert np.array_equal(folder.images, other.images)
        assert folder.split_digest == other.split_digest
        same_bytes = folder.fingerprint == other.fingerprint
        assert same_bytes == (name != "npz")  # which holds pixels, not encoded images


def test_digits() -> None:
    data = load_data("digits")
    assert data.images.shape == (1797, 8, 8, 3)
    assert [len(data.train), len(data.validation), len(data.test)] == [1150, 288, 359]
    assert np.asarray(data.images).max() == 255
    assert set(np.unique(data.images)) == {round(value * 255 / 16) for value in range(17)}
    assert (data.images[..., 0] == data.images[..., 2]).all()
    assert not data.mirror
    assert data.classes == tuple("0123456789")


def test_digits_are_the_same_everywhere() -> None:
    data = load_data("digits")
    assert data.fingerprint == "bf04e5309c184c16"
    assert data.split_digest == "db70fcb103c8ac29"


def test_image_size_and_limit() -> None:
    data = load_data("digits", image_size=16, limit=100)
    assert data.images.shape == (100, 16, 16, 3)
    assert np.bincount(data.labels).tolist() == [10] * 10


def test_std_has_a_floor(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.full((10, 8, 8), 51, np.uint8), y=[0, 1] * 5)
    data = load_data(tmp_path / "a.npz")
    assert data.mean == pytest.approx((0.2, 0.2, 0.2))
    assert data.std == (1e-3, 1e-3, 1e-3)


@pytest.mark.parametrize(("name", "right"), [("digit", True), ("Digits", True), ("mnist", False)])
def test_absent_source(name: str, right: bool) -> None:
    message = error_of(lambda: load_data(name))
    assert message.startswith(f"{name}: no such file or folder; ")
    assert ("did you mean digits?" in message) == right
    assert right or FORMS in message
    assert not is_data(name)


def test_unknown_form(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("a,b\n")
    assert (
        error_of(lambda: load_data(path)) == f"{path}: is not image data; known forms are {FORMS}"
    )
    assert error_of(lambda: load_data("~nobody-of-this-name/x")).startswith(
        "~nobody-of-this-name/x"
    )


def test_a_path_named_digits_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "digits", {"a": 4, "b": 4})
    assert load_data(Path("digits")).classes == ("a", "b")
    assert load_data("digits").num_classes == 10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "limit is 0"),
        ({"limit": 29}, "30 or more"),
        ({"image_size": 4}, "image_size is 4"),
        ({"seed": -1}, "seed is -1"),
        ({"validation_fraction": 0.9}, "validation_fraction is 0.9"),
        ({"test_fraction": 0}, "test_fraction is 0"),
        ({"keep": "here"}, "keep is 'here'; it must be one of auto, memory, disk, stream"),
    ],
)
def test_options_refused(options: dict[str, Any], message: str) -> None:
    assert message in error_of(lambda: load_data("digits", **options))


def test_image_data_checks_itself() -> None:
    data = load_data("digits", limit=60)
    assert "uint8 (N, S, S, 3)" in error_of(lambda: replace(data, labels=data.labels[1:]))
    assert "three parts" in error_of(lambda: replace(data, test=data.train))
    assert isinstance(data, ImageData)
