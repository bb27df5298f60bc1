"""Temporary folders: made short, and cleared away after processes that are gone."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from experiments.parallel.scratch import make_scratch


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("experiments.parallel.scratch.LONGEST", 1000)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_what_a_dead_process_left_is_removed_and_nothing_else(place: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    abandoned = place / f"nas-{gone.pid}-abc"
    kept = [place / f"nas-{os.getpid()}-abc", place / "nas-mine", place / f"other-{gone.pid}-abc"]
    for path in (abandoned, *kept):
        (path / "within").mkdir(parents=True)
    made = make_scratch()
    assert made.is_dir()
    assert made.parent == place
    assert not abandoned.exists()
    assert all((path / "within").is_dir() for path in kept)


def test_a_long_place_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 50)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    made = make_scratch()
    assert made.parent == Path("/tmp")
    made.rmdir()
