"""Images that are streamed or mapped are those that memory would hold, in any process."""

import multiprocessing
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from operator import getitem
from pathlib import Path

import numpy as np
import pytest

from experiments.data import ImageData, load_data
from experiments.data.container import MappedImages
from experiments.data.packed import PackedReader
from experiments.data.storage import Keep
from experiments.data.stream import StreamedImages
from tests.experiments.data.forms import FORMS, as_folder, as_parquet
from tests.experiments.data.helpers import error_of, noise, paint, write_classes

NUMBERS = np.array([23, 0, 7, 7, -1, 12], dtype=np.int64)


def same(one: ImageData, other: ImageData) -> None:
    assert one.describe() == other.describe()
    assert (one.mean, one.std) == (other.mean, other.std)
    assert np.array_equal(one.labels, other.labels)
    assert one.images.shape == other.images.shape
    assert one.images.dtype == other.images.dtype == np.uint8
    assert len(one.images) == len(other.images)
    assert np.array_equal(one.images[NUMBERS], other.images[NUMBERS])
    assert np.array_equal(one.images, other.images)


@pytest.fixture(params=FORMS.values(), ids=list(FORMS))
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    make: Callable[[Path], Path | str] = request.param
    return make(tmp_path)


@pytest.mark.parametrize("image_size", [None, 16])
def test_streamed_equals_memory(source: Path | str, image_size: int | None) -> None:
    streamed = load_data(source, keep="stream", image_size=image_size)
    assert isinstance(streamed.images, StreamedImages)
    assert streamed.is_streamed
    whole = load_data(source, keep="memory", image_size=image_size)
    assert type(whole.images) is np.ndarray
    assert not whole.is_streamed
    same(streamed, whole)
    same(pickle.loads(pickle.dumps(streamed)), whole)
    same(load_data(source, keep="stream", image_size=image_size), whole)  # from what was kept


def test_on_disk_equals_memory(source: Path | str) -> None:
    mapped = load_data(source, keep="disk")
    assert isinstance(mapped.images, MappedImages)
    assert mapped.is_streamed
    whole = load_data(source, keep="memory")
    same(mapped, whole)
    again = pickle.loads(pickle.dumps(mapped))
    assert isinstance(again.images, MappedImages)
    same(again, whole)
    usual = load_data(source)  # a copy that memory could hold
    assert isinstance(usual.images, MappedImages)
    assert not usual.is_streamed
    same(usual, whole)


def test_mapped_images_are_plain_when_taken(tmp_path: Path) -> None:
    images = load_data(as_folder(tmp_path), keep="disk").images
    taken = images[NUMBERS]
    assert type(taken) is np.ndarray
    assert taken.flags.writeable
    assert type(images[2:4]) is np.ndarray
    assert not images[2:4].flags.writeable
    assert len(pickle.dumps(images)) < 1000  # the place, not the pixels
    assert isinstance(images, MappedImages)
    turned = pickle.loads(pickle.dumps(images.transpose(0, 3, 1, 2)))
    assert np.array_equal(turned, np.asarray(images).transpose(0, 3, 1, 2))


def test_what_indices_give(tmp_path: Path) -> None:
    streamed = load_data(as_folder(tmp_path), keep="stream").images
    whole = np.asarray(streamed)
    mask = np.arange(24) % 5 == 0
    for index in (slice(3, 20, 4), mask, [5, 2], np.array([], np.int64)):
        assert np.array_equal(streamed[index], whole[index])
    assert np.array_equal(streamed[7], whole[7])
    with pytest.raises(IndexError):
        streamed[np.array([24])]


def test_spawned_processes_read_the_same(tmp_path: Path) -> None:
    keeps: tuple[Keep, ...] = ("stream", "disk")
    made = {name: make(tmp_path) for name, make in FORMS.items()}
    loaded = [load_data(source, keep=keep).images for source in made.values() for keep in keeps]
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        found = list(pool.map(getitem, loaded, [NUMBERS] * len(loaded)))
    for images, read in zip(loaded, found, strict=True):
        assert np.array_equal(read, images[NUMBERS])


def test_parquet_is_packed_and_read_in_place_where_it_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = as_parquet(tmp_path)
    packed = load_data(source, keep="stream")
    assert isinstance(packed.images, StreamedImages)
    assert isinstance(packed.images.reader, PackedReader)
    assert packed.images.reader.where(11) == f"{source}, row 11"
    monkeypatch.setenv("NAS_CACHE_LIMIT", "9000")  # of 24 images of about 500 bytes
    small = load_data(source, keep="stream", image_size=10)
    assert isinstance(small.images, StreamedImages)
    assert not isinstance(small.images.reader, PackedReader)
    same(small, load_data(source, keep="memory", image_size=10))


def test_sizes_of_streamed_images_are_chosen_as_for_memory(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 5, "b": 5}, size=(30, 20))
    paint(tmp_path / "a" / "x.png", noise(9, (40, 40)))
    streamed = load_data(tmp_path, keep="stream")
    assert streamed.image_size == 20
    whole = load_data(tmp_path, keep="memory")
    assert np.array_equal(streamed.images, whole.images)


def test_an_image_that_is_gone_is_named(tmp_path: Path) -> None:
    data = load_data(as_folder(tmp_path), keep="stream")
    (tmp_path / "folder" / "0" / "004.png").unlink()
    assert "004.png" in error_of(lambda: data.images[np.array([3, 4])])
    assert np.array_equal(data.images[3], np.asarray(noise(3)))


def test_statistics_of_many_pixels_are_sampled_alike_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = as_folder(tmp_path)
    exact = load_data(source).mean
    monkeypatch.setattr("experiments.data.statistics._MOST_PIXELS", 5 * 12 * 12)
    monkeypatch.setenv("NAS_CACHE", str(tmp_path / "other"))
    keeps: tuple[Keep, ...] = ("memory", "stream", "disk")
    means = set()
    for keep in keeps:
        monkeypatch.setenv("NAS_CACHE", str(tmp_path / keep))
        means.add(load_data(source, keep=keep).mean)
    assert len(means) == 1
    assert means != {exact}
    assert means.pop() == pytest.approx(exact, abs=0.05)
