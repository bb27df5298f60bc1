"""CIFAR by name: from a small archive of the published form, served from a file."""

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.data import cache, is_data, load_data
from experiments.data.cifar import ARCHIVES, is_cifar
from experiments.data.download import fetched
from tests.experiments.data.forms import write_tar
from tests.experiments.data.helpers import error_of, noise, write_classes


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives every test an empty cache and an empty folder to be in."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "downloads"


def row(seed: int, *labels: int) -> bytes:
    planes = np.asarray(noise(seed, (32, 32))).transpose(2, 0, 1)
    return bytes(labels) + planes.tobytes()


def published(name: str) -> dict[str, bytes]:
    """Returns the files of a small archive: ten train images a file, four test images."""
    coarse = (7,) if name == "cifar100" else ()
    files = {}
    for number, batch in enumerate(ARCHIVES[name].train):
        rows = [row(100 * number + index, *coarse, index % 2) for index in range(10)]
        files[f"bin/{batch}"] = b"".join(rows)
    files[f"bin/{ARCHIVES[name].test}"] = b"".join(
        row(900 + index, *coarse, index % 2) for index in range(4)
    )
    files[f"bin/{ARCHIVES[name].names}"] = b"apple\nboat\n\n"
    return files


def serve(name: str, root: Path, monkeypatch: pytest.MonkeyPatch, md5: str | None = None) -> Path:
    """Lets a name be downloaded from a file."""
    path = write_tar(root / "site" / f"{name}.tar.gz", published(name), "w:gz")
    found = hashlib.md5(path.read_bytes()).hexdigest()
    entry = replace(ARCHIVES[name], url=path.as_uri(), md5=md5 or found)
    monkeypatch.setitem(ARCHIVES, name, entry)
    return path


@pytest.mark.parametrize("name", ARCHIVES)
def test_downloaded_once(
    name: str, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = serve(name, tmp_path, monkeypatch)
    assert is_data(name)
    data = load_data(name)
    train = 10 * len(ARCHIVES[name].train)
    assert data.name == name
    assert data.classes == ("apple", "boat")
    assert [len(data.train) + len(data.validation), len(data.test)] == [train, 4]
    assert np.array_equal(data.images[3], np.asarray(noise(3, (32, 32))))
    assert np.array_equal(data.images[train], np.asarray(noise(900, (32, 32))))
    assert data.labels[:4].tolist() == [0, 1, 0, 1]
    path.unlink()
    assert load_data(name).describe() == data.describe()
    for unpacked in place.glob("*.npz"):
        unpacked.unlink()
    assert load_data(name).fingerprint == data.fingerprint  # from the archive that was kept
    assert not list(place.glob(".tmp-*"))


def test_a_wrong_checksum_is_not_kept(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve("cifar10", tmp_path, monkeypatch, md5="0" * 32)
    message = error_of(lambda: load_data("cifar10"))
    assert "MD5" in message
    assert not list(place.iterdir())
    (place / "cifar10.tar.gz").write_bytes(b"other")
    assert "is not the file of" in error_of(lambda: load_data("cifar10"))


def test_without_a_network(tmp_path: Path, place: Path) -> None:
    url = f"{(tmp_path / 'absent').as_uri()}/data.tar.gz"
    message = error_of(lambda: fetched(url, "0" * 32, name="cifar10"))
    assert message.startswith(f"cifar10: {url} cannot be downloaded (")
    assert f"put that file at {place / 'data.tar.gz'}" in message


def test_an_archive_with_other_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_tar(tmp_path / "site" / "x.tar.gz", {"bin/other": b"x"}, "w:gz")
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setitem(
        ARCHIVES, "cifar10", replace(ARCHIVES["cifar10"], url=path.as_uri(), md5=md5)
    )
    assert "does not hold what it should" in error_of(lambda: load_data("cifar10"))
    assert tarfile.is_tarfile(cache.downloads_folder() / "x.tar.gz")


def test_a_path_of_that_name_wins(tmp_path: Path) -> None:
    assert is_cifar("cifar10")
    write_classes(tmp_path / "cifar10", {"a": 4, "b": 4})
    assert not is_cifar("cifar10")
    assert load_data("cifar10").classes == ("a", "b")
