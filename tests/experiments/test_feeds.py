from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from experiments import feeds
from experiments.data import ImageData
from experiments.device import Device
from experiments.feeds import ResidentFeed, StreamFeed, default_loaders, open_feed
from experiments.recipes import load_recipe
from experiments.train import Engine, train
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec


class Lazy:
    """Decodes images when they are asked for, as streamed data does."""

    def __init__(self, images: np.ndarray, *, broken: int = -1) -> None:
        self.images, self.broken = images, broken
        self.shape, self.dtype = images.shape, images.dtype

    def __getitem__(self, positions: Any) -> np.ndarray:
        if (np.asarray(positions) == self.broken).any():
            raise InputError("cat.png: cannot be read as an image (cut off); repair or remove it")
        found: np.ndarray = self.images[positions]
        return found


def streamed(data: ImageData, *, broken: int = -1) -> ImageData:
    lazy: Any = Lazy(np.asarray(data.images), broken=broken)
    return replace(data, images=lazy, is_streamed=True)


def test_both_feeds_give_the_same_batches(digits: ImageData, cpu: Device) -> None:
    resident = ResidentFeed(digits, digits.train, cpu)
    stream = StreamFeed(streamed(digits), digits.train, cpu, loaders=0)
    assert len(resident) == len(stream) == len(digits.train)
    order = torch.randperm(len(resident), generator=torch.Generator().manual_seed(0))
    for chosen in (None, order, order[50:], order[:3]):
        for resolution in (8, 12):
            one = list(resident.batches(50, resolution=resolution, order=chosen))
            two = list(stream.batches(50, resolution=resolution, order=chosen))
            assert len(one) == len(two)
            for (images, labels), (other_images, other_labels) in zip(one, two, strict=True):
                assert images.dtype == torch.uint8
                assert images.shape[1:] == (3, resolution, resolution)
                assert torch.equal(images, other_images)
                assert torch.equal(labels, other_labels)
    assert len(list(stream.batches(50, resolution=8))) == -(-len(stream) // 50)
    assert len(list(stream.batches(50, resolution=8, order=order[50:]))) == (len(stream) - 50) // 50


@pytest.mark.parametrize("loaders", [0, 1, 4])
def test_the_number_of_loaders_changes_nothing(
    tiny: ArchSpec, digits: ImageData, cpu: Device, loaders: int
) -> None:
    recipe = load_recipe("fast", {"epochs": 2, "patience": 1, "flip": "always", "mixup": 0.2})
    spec = replace(tiny, dropout=0.2, resolution=6)
    whole = train(spec, digits, recipe, seed=5, device=cpu)
    engine = Engine(loaders=loaders)
    other = train(spec, streamed(digits), recipe, seed=5, device=cpu, engine=engine)
    wanted = whole.network.state_dict()
    assert all(torch.equal(v, wanted[name]) for name, v in other.network.state_dict().items())
    assert [r.accuracy for r in whole.history] == [r.accuracy for r in other.history]


@pytest.mark.parametrize("loaders", [0, 1])
def test_an_unreadable_image_is_one_line_from_a_worker_too(
    digits: ImageData, cpu: Device, loaders: int
) -> None:
    data = streamed(digits, broken=int(digits.train[70]))
    feed = StreamFeed(data, digits.train, cpu, loaders=loaders)
    with pytest.raises(InputError) as refused:
        list(feed.batches(32, resolution=8))
    assert str(refused.value).startswith("cat.png: cannot be read as an image")
    assert "\n" not in str(refused.value)


def test_images_stay_in_memory_where_they_fit(
    digits: ImageData, cpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(data: ImageData, resolution: int = 8) -> object:
        return type(open_feed(data, data.train, resolution=resolution, device=cpu, loaders=0))

    assert opened(digits) is ResidentFeed
    assert opened(streamed(digits)) is StreamFeed
    monkeypatch.setattr(feeds, "_room", lambda _: 3 * 64 * len(digits.train))
    assert opened(digits) is ResidentFeed
    assert opened(digits, 9) is StreamFeed


def test_a_file_in_memory_will_do(digits: ImageData, cpu: Device, tmp_path: Any) -> None:
    np.save(tmp_path / "images.npy", digits.images)
    mapped = replace(digits, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    for feed in (
        ResidentFeed(mapped, digits.test, cpu),
        StreamFeed(mapped, digits.test, cpu, loaders=0),
    ):
        ((images, _),) = feed.batches(len(feed), resolution=8)
        assert torch.equal(images.permute(0, 2, 3, 1), torch.from_numpy(digits.images[digits.test]))


def test_a_core_is_left_to_train(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, loaders in ((1, 0), (2, 1), (64, 8), (None, 0)):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert default_loaders() == loaders
