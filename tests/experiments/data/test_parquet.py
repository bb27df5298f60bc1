"""Parquet files and folders: parts, class names, and rows that are refused by name."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from experiments.data import is_data, load_data
from tests.experiments.data.helpers import encode, error_of, noise, write_parquet

LABELS = [0, 1, 2] * 5
CIFAR10 = Path(__file__).parents[3].parent / "shared" / "datasets" / "cifar10"


def failure(path: Path) -> str:
    return error_of(lambda: load_data(path))


def hugging_face(names: object) -> dict[bytes, bytes]:
    features = {"label": {"names": names, "_type": "ClassLabel"}}
    return {b"huggingface": json.dumps({"info": {"features": features}}).encode()}


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("row_group_size", [None, 1, 4])
def test_single_file(tmp_path: Path, plain: bool, row_group_size: int | None) -> None:
    path = tmp_path / "all.parquet"
    data = load_data(write_parquet(path, LABELS, plain=plain, row_group_size=row_group_size))
    assert data.classes == ("0", "1", "2")
    assert data.labels.tolist() == LABELS
    for row in range(15):
        assert np.array_equal(data.images[row], np.asarray(noise(row)))
    assert [len(data.train), len(data.validation), len(data.test)] == [9, 3, 3]


def test_limit_reads_the_chosen_rows(tmp_path: Path) -> None:
    images = [encode(noise(row)) for row in range(40)]
    path = write_parquet(tmp_path / "a.parquet", [0, 1] * 20, images=images, row_group_size=7)
    whole = load_data(path)
    some = load_data(path, limit=9)
    assert len(some.images) == 9
    stored = {
        image.tobytes(): int(label)
        for image, label in zip(whole.images[:], whole.labels, strict=True)
    }
    for image, label in zip(some.images[:], some.labels, strict=True):
        assert stored[image.tobytes()] == label
    assert some.fingerprint != whole.fingerprint
    assert some.fingerprint == load_data(path, limit=9).fingerprint
    assert some.fingerprint != load_data(path, limit=9, seed=1).fingerprint


@pytest.mark.parametrize("validation", ["validation", "val", "valid"])
def test_folder_of_shards(tmp_path: Path, validation: str) -> None:
    write_parquet(tmp_path / "train-00001-of-00002.parquet", [2, 2])
    write_parquet(tmp_path / "train-00000-of-00002.parquet", [0, 1, 0])
    write_parquet(tmp_path / f"{validation}-00000-of-00001.parquet", [1])
    write_parquet(tmp_path / "test.parquet", [2, 0])
    write_parquet(tmp_path / "unlabelled.parquet", [-1])
    data = load_data(tmp_path)
    assert data.labels.tolist() == [0, 1, 0, 2, 2, 1, 2, 0]
    assert data.train.tolist() == [0, 1, 2, 3, 4]
    assert data.validation.tolist() == [5]
    assert data.test.tolist() == [6, 7]


def test_folder_of_other_files_is_one_pool(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", LABELS)
    write_parquet(tmp_path / "b.parquet", LABELS)
    assert len(load_data(tmp_path).images) == 30


def test_parquet_comes_before_class_folders(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", LABELS)
    (tmp_path / "cat").mkdir()
    assert len(load_data(tmp_path).images) == 15


def test_parts_without_train(tmp_path: Path) -> None:
    write_parquet(tmp_path / "test.parquet", LABELS)
    assert "no train*.parquet" in failure(tmp_path)


def test_names_beside_the_file_come_first(tmp_path: Path) -> None:
    metadata = hugging_face(["x", "y", "z"])
    path = write_parquet(tmp_path / "a.parquet", LABELS, metadata=metadata)
    assert load_data(path).classes == ("x", "y", "z")
    (tmp_path / "classes.txt").write_text("ant\nbee\ncat\n\n")
    assert load_data(path).classes == ("ant", "bee", "cat")


@pytest.mark.parametrize(
    "metadata", [{b"huggingface": b"{"}, {b"huggingface": b"[]"}, hugging_face(None)]
)
def test_metadata_without_names(tmp_path: Path, metadata: dict[bytes, bytes]) -> None:
    path = write_parquet(tmp_path / "a.parquet", LABELS, metadata=metadata)
    assert load_data(path).classes == ("0", "1", "2")


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
)
def test_string_labels(tmp_path: Path, kind: pa.DataType) -> None:
    labels = pa.array(["dog", "cat", "dog", "cat", "dog", "cat"]).cast(kind)
    path = write_parquet(tmp_path / "a.parquet", labels)
    data = load_data(path)
    assert data.classes == ("cat", "dog")
    assert data.labels.tolist() == [1, 0] * 3
    (tmp_path / "classes.txt").write_text("dog\nowl\n")
    assert f"{path}, row 1: label 'cat' is not in the class names" in failure(path)
    (tmp_path / "classes.txt").write_text("dog\ncat\n")
    assert load_data(path).labels.tolist() == [0, 1] * 3


def test_mixed_kinds(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", LABELS)
    other = write_parquet(tmp_path / "b.parquet", ["x", "y"])
    assert str(other) in failure(tmp_path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, None, 1], "row 2: label is missing"),
        ([0, 1, 0, -1], "row 3: label -1 must be 0 or more"),
        ([0.0, 1.5, 1.0], "row 1: label 1.5 is not a whole number"),
        ([0.0, 1.0, float("nan")], "row 2: label nan is not"),
        ([True, False], "column 'label' is bool"),
        ([0, 1, 3, 3], "label 2 has no images"),
        ([0, 1, 10**12], "label 2 has no images"),
        ([0, 0, 0, 0], "only the class '0'"),
        ([], "holds no images"),
    ],
)
def test_labels_refused(tmp_path: Path, labels: Sequence[object], message: str) -> None:
    kind = None if labels else pa.int64()
    path = write_parquet(tmp_path / "a.parquet", pa.array(labels, kind), plain=True)
    text = failure(path)
    assert str(path) in text
    assert message in text


def test_label_beyond_the_names(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train.parquet", LABELS)
    path = write_parquet(tmp_path / "test.parquet", [0, 3])
    (tmp_path / "classes.txt").write_text("a\nb\nc\n")
    assert failure(tmp_path) == f"{path}, row 1: label 3 must be 0 to 2"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\n\nb\n", "line 2: is empty"),
        (b"", "line 1: is empty"),
        (b"a\nb\na\n", "'a' is listed twice"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"a\nb\nc\nd\n", "'d' has no images"),
    ],
)
def test_names_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = write_parquet(tmp_path / "a.parquet", LABELS)
    (tmp_path / "classes.txt").write_bytes(content)
    assert message in failure(path)


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("bad", [None, b"", b"nonsense", encode(noise(1, (50, 50)))[:2000]])
def test_image_refused(tmp_path: Path, plain: bool, bad: bytes | None) -> None:
    images: list[bytes | None] = [encode(noise(row)) for row in range(15)]
    images[11] = images[13] = bad
    write_parquet(tmp_path / "train-0.parquet", [0, 1, 2])
    path = write_parquet(tmp_path / "train-1.parquet", LABELS, images=images, plain=plain)
    assert failure(tmp_path).startswith(f"{path}, row 11: ")


def test_columns_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"img": [b"x"], "label": [1]}), path)
    assert "no column 'image'" in failure(path)
    assert "it has img, label" in failure(path)
    pq.write_table(pa.table({"image": ["a.png"], "label": [1]}), path)
    assert "column 'image' is string" in failure(path)
    pq.write_table(pa.table({"image": [{"path": "a.png"}], "label": [1]}), path)
    assert "column 'image' is struct" in failure(path)


def test_not_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 nonsense")
    assert f"{path}: cannot be read as Parquet" in failure(path)


def test_damaged_pages(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", LABELS)
    content = bytearray(path.read_bytes())
    content[20 : len(content) // 2] = bytes(len(content) // 2 - 20)
    path.write_bytes(content)
    assert str(path) in failure(path)


def test_is_data_reads_the_columns(tmp_path: Path) -> None:
    path = tmp_path / "trials.parquet"
    pq.write_table(pa.table({"accuracy": [0.5]}), path)
    assert not is_data(tmp_path)
    assert not is_data(path)
    write_parquet(path, LABELS)
    assert is_data(tmp_path)
    assert is_data(path)


@pytest.mark.skipif(not CIFAR10.is_dir(), reason="the CIFAR-10 Parquet files are not here")
def test_cifar10() -> None:
    data = load_data(CIFAR10, limit=500)
    assert data.images.shape == (500, 32, 32, 3)
    assert data.classes[:2] == ("airplane", "automobile")
    assert [len(data.train), len(data.validation), len(data.test)] == [334, 83, 83]
    assert np.bincount(data.labels[data.train]).min() >= 32
    assert 0.4 < data.mean[0] < 0.6
    assert 0.2 < data.std[0] < 0.3
    again = load_data(str(CIFAR10), limit=500)
    assert (again.fingerprint, again.split_digest) == (data.fingerprint, data.split_digest)
    assert is_data(CIFAR10)
