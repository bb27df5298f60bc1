"""A full disk, a folder that may not be written to, and a clock that jumps."""

import importlib.util
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.driver import (
    MOMENTS,
    Driver,
    assert_whole,
    moments,
    search_words,
    until,
    until_trained,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Gives a file system of 24 MB."""
    path = tmp_path / "disk"
    path.mkdir()
    words = ("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(path))
    if os.getuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small file system takes root")
    yield path
    subprocess.run(("umount", "-l", str(path)), check=True)


def fill(path: Path) -> None:
    """Writes until nothing more goes in."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            return


def test_a_full_disk(small_disk: Path) -> None:
    driver, filler = Driver(small_disk / "run", search_words(MOMENTS * 3)), small_disk / "filler"
    for number, pause in enumerate(moments(7, 0.0, 0.5)):
        with driver.running() as process:
            until_trained(driver, 1 + 2 * number, process)
            time.sleep(pause)
            fill(filler)
            until(lambda: process.poll() is not None, lambda: "it goes on without a disk")
            assert process.stderr is not None
            said = process.stderr.read().decode()
        filler.unlink()
        assert process.returncode in (1, 2), said
        assert "Traceback" not in said
        assert "space" in said or "full" in said, said
        driver.assert_nothing_left()
    driver.finish()
    assert_whole(driver.folder, MOMENTS * 3)


def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    prefix: tuple[str, ...] = ()
    if os.getuid() == 0:  # who may write anywhere, unless that is taken away
        if shutil.which("setpriv") is None:
            pytest.skip("root may write anywhere, and there is no setpriv to change that")
        caps = "-dac_override,-dac_read_search"
        prefix = ("setpriv", f"--bounding-set={caps}", f"--inh-caps={caps}")
    driver = Driver(tmp_path / "run", search_words(MOMENTS * 3), prefix=prefix)
    for number, pause in enumerate(moments(8, 0.0, 0.5)):
        with driver.running() as process:
            until_trained(driver, 1 + 2 * number, process)
            time.sleep(pause)
            protect(driver.folder, writable=False)
            try:
                until(lambda: process.poll() is not None, lambda: "it goes on")
            finally:
                protect(driver.folder, writable=True)
            assert process.stderr is not None
            said = process.stderr.read().decode()
        assert process.returncode in (1, 2), said
        assert "Traceback" not in said
        driver.assert_nothing_left()
    driver.finish()
    assert_whole(driver.folder, MOMENTS * 3)


def protect(folder: Path, *, writable: bool) -> None:
    """Lets nobody write to a folder and its files, or its owner again."""
    for path in (folder, *folder.rglob("*")):
        if path.exists():
            path.chmod(
                (0o755 if writable else 0o555) if path.is_dir() else 0o644 if writable else 0o444
            )


def test_a_clock_that_jumps(tmp_path: Path) -> None:
    """Sets the clock days back and forth under a running search."""
    found = importlib.util.find_spec("libfaketime")
    if found is None or found.origin is None:
        pytest.skip("libfaketime is not installed")
    library = next(Path(found.origin).parent.rglob("libfaketime.so.1"), None)
    if library is None:
        pytest.skip("libfaketime has no library for this machine")
    offset = tmp_path / "offset"
    offset.write_text("+0d\n")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    driver = Driver(tmp_path / "run", search_words(MOMENTS * 3), environment)
    with driver.running() as process:
        for number, pause in enumerate(moments(9, 0.0, 0.5)):
            until_trained(driver, 1 + 2 * number, process)
            time.sleep(pause)
            offset.write_text(f"{'+-'[number % 2]}{1 + number}d\n")
        until(lambda: process.poll() is not None)
        assert process.stderr is not None
        assert process.returncode == 0, process.stderr.read().decode()
    assert_whole(driver.folder, MOMENTS * 3)
    driver.assert_nothing_left()
