"""Copies of decoded images: found again, refused when stale or torn, bounded, safe to share."""

import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from experiments.data import ImageData, cache, load_data
from experiments.data.container import MappedImages, filled, read_container
from experiments.data.decoding import decode_into
from experiments.data.storage import Keep
from tests.experiments.data.forms import FORMS, as_folder, as_parquet
from tests.experiments.data.helpers import error_of, noise, paint


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Gives every test an empty cache."""
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


def is_copy(data: ImageData) -> bool:
    return isinstance(data.images, MappedImages)


def copies(place: Path) -> list[Path]:
    return sorted(place.glob("*.images.safetensors"))


@pytest.mark.parametrize("name", FORMS)
def test_the_second_load_decodes_nothing(
    name: str, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = FORMS[name](tmp_path)
    first = load_data(source)
    assert type(first.images) is np.ndarray
    assert len(copies(place)) == 1

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("images were decoded again")

    monkeypatch.setattr("experiments.data.storage.decode_common", refuse)
    monkeypatch.setattr("experiments.data.storage.decode_into", refuse)
    monkeypatch.setattr("experiments.data.statistics.channel_statistics", refuse)
    second = load_data(source)
    assert is_copy(second)
    assert second.describe() == first.describe()
    assert (second.mean, second.std, second.mirror) == (first.mean, first.std, first.mirror)
    assert np.array_equal(second.images, first.images)
    assert np.array_equal(second.labels, first.labels)


def test_digits_are_not_copied(place: Path) -> None:
    load_data("digits", limit=60)
    assert not place.exists()


def test_each_limit_seed_and_size_has_its_own_copy(tmp_path: Path, place: Path) -> None:
    source = as_folder(tmp_path)
    whole = load_data(source)
    assert np.array_equal(load_data(source, seed=5).images, whole.images)
    assert len(copies(place)) == 1  # the split differs, the images do not
    assert load_data(source, image_size=16).image_size == 16
    some, others = load_data(source, limit=12), load_data(source, limit=12, seed=1)
    assert some.fingerprint != others.fingerprint
    assert len(copies(place)) == 4
    again = load_data(source, limit=12, seed=1)
    assert is_copy(again)
    assert again.fingerprint == others.fingerprint


@pytest.mark.parametrize("change", ["touch", "content", "added", "removed"])
def test_a_changed_folder_is_decoded_again(change: str, tmp_path: Path) -> None:
    source = as_folder(tmp_path)
    before = load_data(source)
    one = source / "0" / "003.png"
    if change == "touch":
        os.utime(one, (1e9, 1e9))
    elif change == "content":
        paint(one, noise(77))
    elif change == "added":
        paint(source / "1" / "new.png", noise(78))
    else:
        one.unlink()
    after = load_data(source)
    assert not is_copy(after)
    assert (after.fingerprint == before.fingerprint) == (change == "touch")
    assert is_copy(load_data(source))


def test_content_changed_behind_the_clock_is_noticed(tmp_path: Path) -> None:
    source = as_folder(tmp_path)
    load_data(source)
    one = source / "0" / "000.png"
    state, content = one.stat(), bytearray(one.read_bytes())
    other = bytearray((source / "0" / "001.png").read_bytes())
    other += bytes(max(0, len(content) - len(other)))
    one.write_bytes(other[: len(content)] if len(other) > len(content) else other)
    os.utime(one, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert one.stat().st_size == state.st_size
    assert not is_copy(load_data(source))


def test_renamed_classes_need_no_decoding(tmp_path: Path) -> None:
    source = as_parquet(tmp_path)
    before = load_data(source)
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    after = load_data(source)
    assert is_copy(after)
    assert after.classes == ("cat", "dog")
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize("damage", ["short", "long", "header", "digests", "pixels", "empty"])
def test_a_torn_copy_is_made_anew(damage: str, tmp_path: Path, place: Path) -> None:
    source = as_folder(tmp_path)
    before = load_data(source)
    (copy,) = copies(place)
    content = bytearray(copy.read_bytes())
    if damage == "short":
        del content[-100:]
    elif damage == "long":
        content += b"\0"
    elif damage == "header":
        content[20] ^= 255
    elif damage == "digests":
        content[-1] ^= 1
    elif damage == "pixels":
        content[8192] ^= 1  # of the first image
    else:
        content.clear()
    copy.write_bytes(content)
    after = load_data(source)
    assert not is_copy(after)
    assert after.fingerprint == before.fingerprint
    assert np.array_equal(after.images, before.images)
    assert is_copy(load_data(source))


def test_the_file_is_a_safetensors_file(tmp_path: Path, place: Path) -> None:
    data = load_data(as_folder(tmp_path))
    (copy,) = copies(place)
    held = safetensors.numpy.load_file(copy)
    assert np.array_equal(held["images"], data.images)
    assert held["digests"].shape == (24, 32)
    assert copy.stat().st_mode & 0o777 == 0o644


def test_copies_used_longest_ago_go_first(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [as_folder(tmp_path / name) for name in "abc"]
    for age, source in zip((300, 200, 100), sources, strict=True):
        load_data(source)
        for path in place.iterdir():
            if path.stat().st_mtime > time.time() - 50:
                os.utime(path, (time.time() - age,) * 2)
    assert is_copy(load_data(sources[0]))  # used now
    size = sum(path.stat().st_size for path in place.iterdir())
    monkeypatch.setenv("NAS_CACHE_LIMIT", str(size - 1))
    load_data(as_folder(tmp_path / "d"))
    assert sum(path.stat().st_size for path in place.iterdir()) <= size - 1
    assert [is_copy(load_data(source)) for source in sources] == [True, False, False]


@pytest.mark.parametrize("limit", ["0", "1000"])
def test_nothing_larger_than_the_limit_is_kept(
    limit: str, tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAS_CACHE_LIMIT", limit)
    source = as_folder(tmp_path)
    for _ in range(2):
        assert not is_copy(load_data(source))
    assert not copies(place)
    message = error_of(lambda: load_data(source, keep="disk"))
    assert "24 images at 12×12 cannot be kept in" in message
    streamed = load_data(source, keep="stream")
    assert np.array_equal(streamed.images, load_data(source).images)


def test_a_limit_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAS_CACHE_LIMIT", "much")
    assert "NAS_CACHE_LIMIT 'much'" in error_of(lambda: load_data(as_folder(tmp_path)))


def test_a_cache_that_cannot_be_written_is_gone_on_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = as_folder(tmp_path)
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "file" / "cache"))
    keeps: tuple[Keep, ...] = ("auto", "memory", "stream")
    loaded = [load_data(source, keep=keep) for keep in keeps]
    assert len({data.fingerprint for data in loaded}) == 1
    assert "cannot be kept" in error_of(lambda: load_data(source, keep="disk"))
    assert not cache.cache_state()["writable"]


def test_less_memory_takes_the_disk_and_then_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = as_folder(tmp_path)
    usual = load_data(source)
    free = type("Free", (), {"available": 10_000})
    monkeypatch.setattr("experiments.data.decoding.psutil.virtual_memory", lambda: free)
    from_copy = load_data(source)
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "two"))
    on_disk = load_data(source)
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "three"))
    monkeypatch.setenv("NAS_CACHE_LIMIT", "9000")
    streamed = [load_data(source) for _ in range(2)]
    assert [is_copy(data) for data in (from_copy, on_disk, *streamed)] == [True, True, False, False]
    for data in (from_copy, on_disk, *streamed):
        assert data.is_streamed
        assert data.describe() == usual.describe()
        assert data.mean == usual.mean
        assert np.array_equal(data.images, usual.images)
    monkeypatch.undo()
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "three"))
    assert not load_data(source).is_streamed  # there is memory again


def test_two_processes_at_once(tmp_path: Path, place: Path) -> None:
    sources = [as_folder(tmp_path), as_parquet(tmp_path)] * 2
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        loaded = list(pool.map(partial(load_data, keep="disk"), sources))
    assert len({data.fingerprint for data in loaded}) == 1
    for data in loaded[1:]:
        assert np.array_equal(data.images, loaded[0].images)
    assert len(copies(place)) == 2
    assert not list(place.glob(".tmp-*"))
    assert all(is_copy(load_data(source)) for source in sources)


def test_a_source_that_changes_while_it_is_read_is_not_copied(
    tmp_path: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, real = as_folder(tmp_path), decode_into

    def slow(*args: Any, **options: Any) -> Any:
        done = real(*args, **options)
        os.utime(source / "0" / "001.png", (1e9, 1e9))
        return done

    monkeypatch.setattr("experiments.data.storage.decode_into", slow)
    assert load_data(source, image_size=16).image_size == 16
    assert not copies(place)
    os.utime(source / "0" / "001.png")
    assert "changed while it was read" in error_of(lambda: load_data(source, keep="disk"))
    assert not list(place.glob("*.safetensors"))


def test_what_a_killed_writer_left_goes_after_a_day(tmp_path: Path, place: Path) -> None:
    place.mkdir(parents=True)
    old, new = place / ".tmp-old.safetensors", place / ".tmp-new.safetensors"
    for path, age in ((old, 90_000), (new, 1_000)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    load_data(as_folder(tmp_path))
    assert not old.exists()
    assert new.exists()


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    with pytest.raises(KeyError), filled(path) as writer:
        writer.append(b"abc")
        raise KeyError
    assert not list(tmp_path.glob("*.safetensors"))
    assert read_container(path) is None


def test_state(tmp_path: Path, place: Path) -> None:
    assert cache.cache_state() == {
        "path": str(place.parent), "copies": 0, "bytes": 0, "limit_bytes": 20_000_000_000,
        "writable": True,
    }  # fmt: skip
    load_data(as_folder(tmp_path))
    assert cache.cache_state()["bytes"] == sum(path.stat().st_size for path in place.iterdir())


def test_the_users_own_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NAS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache.cache_folder().name == "compound-nas"
