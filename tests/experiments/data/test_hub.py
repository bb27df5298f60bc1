"""hf:NAME: splits, columns and labels of data sets that the library saved, and what is refused."""

import builtins
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.data import findable, is_data, load_data
from tests.experiments.data.helpers import encode, error_of, noise

datasets = pytest.importorskip("datasets")


def table(labels: list[Any], first: int = 0, *, column: str = "label", kind: Any = None) -> Any:
    images = [{"bytes": encode(noise(first + row)), "path": None} for row in range(len(labels))]
    kind = kind or datasets.ClassLabel(names=["ant", "bee"])
    features = datasets.Features({"img": datasets.Image(), column: kind})
    return datasets.Dataset.from_dict({"img": images, column: labels}, features=features)


def save(root: Path, **splits: Any) -> str:
    datasets.DatasetDict(splits).save_to_disk(str(root / "saved"))
    return f"hf:{root / 'saved'}"


def failure(source: str) -> str:
    return error_of(lambda: load_data(source))


def test_splits_and_names(tmp_path: Path) -> None:
    source = save(
        tmp_path, test=table([0, 1], 200), train=table([0, 1] * 4), validation=table([1, 0, 1], 100)
    )
    data = load_data(source)
    assert is_data(source)
    assert data.classes == ("ant", "bee")
    assert [len(data.train), len(data.validation), len(data.test)] == [8, 3, 2]
    assert np.array_equal(data.images[8], np.asarray(noise(100)))
    assert data.labels[8:].tolist() == [1, 0, 1, 0, 1]


def test_a_lone_table_with_names_as_strings(tmp_path: Path) -> None:
    kind = datasets.Value("string")
    lone = table(["dog", "cat"] * 5, column="class", kind=kind)
    lone.select(range(1, 10)).save_to_disk(str(tmp_path / "lone"))
    data = load_data(f"hf:{tmp_path / 'lone'}")
    assert data.classes == ("cat", "dog")
    assert np.array_equal(data.images[0], np.asarray(noise(1)))


def test_a_test_split_without_labels_is_left_out(tmp_path: Path) -> None:
    source = save(tmp_path, train=table([0, 1] * 4), test=table([-1, -1], 100))
    data = load_data(source)
    assert len(data.images) == 8


def test_two_choices_of_rows_are_two_sources(tmp_path: Path) -> None:
    source = save(tmp_path, train=table([0, 1] * 6))
    first = load_data(source)
    changed = save(tmp_path / "more", train=table([0, 1] * 6, 50))
    assert load_data(changed).fingerprint != first.fingerprint
    assert load_data(source).describe() == first.describe()


def test_refused(tmp_path: Path) -> None:
    assert "has no split 'train'; it has test" in failure(save(tmp_path, test=table([0, 1])))
    kind = datasets.Value("int64")
    unknown = save(tmp_path / "b", train=table([0, 1] * 4, column="number", kind=kind))
    assert "train: has no column of labels ('label'); it has img, number" in failure(unknown)
    bare = datasets.Dataset.from_dict({"label": [0, 1] * 4})
    assert "no column of images" in failure(save(tmp_path / "c", train=bare))
    missing = save(tmp_path / "d", train=table([0, 1, None] * 4, kind=kind))
    assert "row 2: label is missing" in failure(missing)
    broken = table([0, 1] * 4).map(lambda _: {"img": {"bytes": b"bad", "path": None}})
    assert "train, row 0: is not an image" in failure(save(tmp_path / "e", train=broken))


def test_what_cannot_be_loaded_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    assert "save_to_disk" in failure(f"hf:{tmp_path / 'empty'}")

    def offline(*_: object) -> None:
        raise ConnectionError("Couldn't reach\nthe hub")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    assert failure("hf:some/name").startswith("hf:some/name: cannot be loaded (Couldn't reach the")


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "pip install 'compound-nas[hf]'" in failure("hf:some/name")


def test_findable_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path, train=table([0, 1] * 4))
    monkeypatch.chdir(tmp_path)
    assert findable("hf:saved") == f"hf:{tmp_path / 'saved'}"
    assert findable("hf:some/name") == "hf:some/name"
    assert findable("cifar10") == "cifar10"
    assert findable("digits") == "digits"
    assert findable("saved") == str(tmp_path / "saved")
    (tmp_path / "cifar10").mkdir()
    assert findable("cifar10") == str(tmp_path / "cifar10")
