import os
from pathlib import Path

import numpy as np
import pytest

from experiments.bench.data import bench_data, write_photographs
from experiments.data import load_data


def test_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "mine"))
    path = write_photographs(tmp_path / "made.parquet", 200, 16)
    rows = bench_data(path, loaders=(0, 1))
    assert [row["what"] for row in rows] == [
        "decode, and keep a copy", "load from the cache", "pack for streaming",
        "stream, 0 loaders", "stream, 1 loaders",
    ]  # fmt: skip
    assert all(row["images"] == 200 and row["images/s"] > 0 for row in rows)
    assert not (tmp_path / "mine").exists()
    assert os.environ["NAS_CACHE"] == str(tmp_path / "mine")


def test_the_photographs_are_images_of_ten_classes(tmp_path: Path) -> None:
    data = load_data(write_photographs(tmp_path / "made.parquet", 60, 24))
    assert data.images.shape == (60, 24, 24, 3)
    assert data.num_classes == 10
    assert np.asarray(data.images).std() > 20
