from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from experiments.data import ImageData
from experiments.device import Device
from experiments.tensors import Normalize, PartTensors, batches, part_tensors


def test_images_of_the_right_size_are_taken_as_they_are(digits: ImageData, cpu: Device) -> None:
    part = part_tensors(digits, digits.validation, digits.image_size, cpu)
    assert part.images.dtype == torch.uint8
    assert len(part) == len(digits.validation)
    expected = digits.images[digits.validation].transpose(0, 3, 1, 2)
    assert np.array_equal(part.images.numpy(), expected)
    assert np.array_equal(part.labels.numpy(), digits.labels[digits.validation])


@pytest.mark.parametrize("resolution", [4, 12, 16])
def test_resizing_is_the_antialiased_bicubic_that_pillow_has(
    digits: ImageData, cpu: Device, resolution: int
) -> None:
    part = part_tensors(digits, digits.train[:20], resolution, cpu)
    assert part.images.shape == (20, 3, resolution, resolution)
    for index, tensor in zip(digits.train[:20], part.images, strict=True):
        grey = Image.fromarray(digits.images[index][..., 0].astype(np.float32))
        wanted = grey.resize((resolution, resolution), Image.Resampling.BICUBIC)
        difference = tensor[0].numpy() - np.asarray(wanted).clip(0, 255)
        assert np.abs(difference).max() <= 0.51  # rounding, and no more


def test_more_images_than_a_chunk_keep_their_order(
    digits: ImageData, cpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = part_tensors(digits, digits.train, 12, cpu)
    monkeypatch.setattr("experiments.tensors.RESIZE_CHUNK", 7)
    chunked = part_tensors(digits, digits.train, 12, cpu)
    assert torch.equal(whole.images, chunked.images)
    assert torch.equal(whole.labels, chunked.labels)


def test_training_images_come_out_with_mean_0_and_deviation_1(
    digits: ImageData, cpu: Device
) -> None:
    part = part_tensors(digits, digits.train, digits.image_size, cpu)
    out = Normalize(digits.mean, digits.std)(part.images)
    assert out.dtype == torch.float32
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert out.mean((0, 2, 3)).abs().max() < 1e-4
    assert (out.std((0, 2, 3)) - 1).abs().max() < 1e-2


def test_normalising_is_what_the_manifest_says() -> None:
    image = torch.full((1, 3, 2, 2), 51, dtype=torch.uint8)
    out = Normalize((0.1, 0.2, 0.3), (0.5, 0.25, 0.1))(image)
    expected = torch.tensor([(0.2 - 0.1) / 0.5, 0.0, (0.2 - 0.3) / 0.1])
    assert torch.allclose(out[0, :, 0, 0], expected, atol=1e-6)


def part(count: int) -> PartTensors:
    return PartTensors(torch.arange(count * 3).view(count, 3, 1, 1).byte(), torch.arange(count))


def test_batches_in_order_leave_out_a_last_short_one() -> None:
    order = torch.tensor([4, 3, 2, 1, 0])
    found = list(batches(part(5), 2, order))
    assert [labels.tolist() for _, labels in found] == [[4, 3], [2, 1]]
    assert all(images[0, 0] == 3 * labels[0] for images, labels in found)


def test_batches_without_an_order_hold_everything_once() -> None:
    found = list(batches(part(5), 2))
    assert [labels.tolist() for _, labels in found] == [[0, 1], [2, 3], [4]]
    assert [len(images) for images, _ in found] == [2, 2, 1]


def test_a_part_knows_its_own_images(digits: ImageData, cpu: Device) -> None:
    other = replace(digits, images=255 - np.asarray(digits.images))
    chosen = digits.test[:5]
    one, two = (part_tensors(data, chosen, 8, cpu).images for data in (digits, other))
    assert torch.equal(one, 255 - two)
