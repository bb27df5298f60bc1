import random

import numpy as np
import pytest
import torch

from experiments.recipes import Recipe, load_recipe
from experiments.tensors import Normalize
from experiments.training.augment import Augment, source_resolution

PLAIN = Normalize((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255))  # leaves pixels as they are
POLICIES = [
    {"auto_augment": "imagenet"},
    {"auto_augment": "cifar10"},
    {"auto_augment": "svhn"},
    {"rand_augment": 2},
    {"min_crop": 0.2, "erasing": 0.5},
]


def augmented(recipe: Recipe, images: torch.Tensor, *, mirror: bool = False) -> torch.Tensor:
    out: torch.Tensor = Augment(recipe, PLAIN, images.shape[-1], mirror=mirror)(images)
    return out


def test_augmentation_shifts_within_bounds_and_flips_only_what_may_be() -> None:
    recipe = load_recipe("fast", {"shift": 0.25, "flip": "auto"})
    torch.manual_seed(0)
    images = torch.zeros(64, 3, 8, 8)
    images[:, :, 3, 4] = 1.0
    out = augmented(recipe, images)
    assert out.shape == images.shape
    rows, columns = (out[:, 0].nonzero()[:, i] for i in (1, 2))
    assert len(rows) == 64, "two pixels of shift never push the middle out"
    assert set(rows.tolist()) == {1, 2, 3, 4, 5}
    assert set(columns.tolist()) == {2, 3, 4, 5, 6}


@pytest.mark.parametrize(
    ("flip", "mirror", "flips"),
    [("auto", True, True), ("auto", False, False), ("always", False, True), ("never", True, False)],
)
def test_flips(flip: str, mirror: bool, flips: bool) -> None:
    recipe = load_recipe("fast", {"shift": 0.0, "flip": flip})
    torch.manual_seed(0)
    images = torch.arange(8.0).expand(32, 3, 8, 8)
    out = augmented(recipe, images, mirror=mirror)
    turned = {bool((image == image.flip(2)[..., :]).all()) for image in out}
    mirrored = [bool(torch.equal(image, images[0].flip(2))) for image in out]
    assert turned == {False}
    assert any(mirrored) == flips
    assert not all(mirrored)


def test_no_augmentation_changes_nothing() -> None:
    recipe = load_recipe("fast", {"shift": 0.0, "flip": "never"})
    images = torch.rand(4, 3, 8, 8)
    assert torch.equal(augmented(recipe, images, mirror=True), images)


def noise(side: int = 16, count: int = 32) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("changes", POLICIES, ids="-".join)
def test_torchs_seed_and_nothing_else_decides_the_images(changes: dict[str, object]) -> None:
    recipe = load_recipe("fast", {"flip": "always", **changes})
    made = []
    for other in (0, 1):
        random.seed(other)
        np.random.seed(other)
        torch.manual_seed(7)
        augment = Augment(recipe, PLAIN, 12, mirror=True)
        made.append([augment(noise(12)) for _ in range(6)])
    assert all(torch.equal(*pair) for pair in zip(*made, strict=True))
    assert not torch.equal(made[0][0], made[0][1])


@pytest.mark.parametrize("changes", POLICIES, ids="-".join)
def test_augmented_images_are_normalised_floats_in_channels_last(
    changes: dict[str, object],
) -> None:
    torch.manual_seed(0)
    recipe = load_recipe("fast", {"shift": 0.0, **changes})
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.2, 0.1)
    out = Augment(recipe, Normalize(mean, std), 16, mirror=False)(noise())
    assert out.shape == (32, 3, 16, 16)
    assert out.dtype == torch.float32
    assert not out.requires_grad
    assert out.is_contiguous(memory_format=torch.channels_last)
    pixels = out * torch.tensor(std).view(3, 1, 1) + torch.tensor(mean).view(3, 1, 1)
    if not recipe.erasing:  # which blanks to the mean
        assert pixels.min() >= -1e-4
        assert pixels.max() <= 1 + 1e-4


def test_a_policy_is_drawn_once_for_each_group() -> None:
    images = noise(8, 1).expand(32, 3, 8, 8)
    kinds = []
    for groups in (1, 32):
        recipe = load_recipe("fast", {"rand_augment": 1, "shift": 0.0, "augment_groups": groups})
        torch.manual_seed(3)
        kinds.append(len({image.numpy().tobytes() for image in augmented(recipe, images)}))
    assert kinds[0] <= 2  # an operation, and perhaps its mirror image
    assert kinds[1] > 6


def test_a_larger_magnitude_changes_images_more() -> None:
    images, changes = noise(16, 64), []
    recipe = load_recipe("fast", {"rand_augment": 2, "shift": 0.0, "augment_groups": 64})
    for magnitude in (1.0, 25.0):
        torch.manual_seed(0)
        out = Augment(recipe, PLAIN, 16, mirror=False, magnitude=magnitude)(images)
        changes.append(float((out - images).abs().mean()))
    assert changes[0] < 0.8 * changes[1]


def test_a_random_part_is_cut_out_of_all_the_pixels() -> None:
    recipe = load_recipe("fast", {"min_crop": 0.1, "shift": 0.0})
    assert source_resolution(recipe, 24, 32) == 32
    assert source_resolution(recipe, 24, 16) == 24
    assert source_resolution(load_recipe("fast"), 24, 32) == 24
    ramp = torch.arange(32, dtype=torch.uint8).expand(64, 3, 32, 32)
    torch.manual_seed(0)
    out = Augment(recipe, PLAIN, 24, mirror=False)(ramp)
    assert out.shape == (64, 3, 24, 24)
    widths = out[:, 0, 12, -1] - out[:, 0, 12, 0]
    assert widths.min() < 14  # a third of the side or so
    assert widths.max() > 24


def test_erasing_blanks_a_rectangle_of_some_images() -> None:
    recipe = load_recipe("fast", {"erasing": 0.5, "shift": 0.0})
    torch.manual_seed(0)
    out = augmented(recipe, torch.full((64, 3, 16, 16), 9, dtype=torch.uint8))
    blanked = (out == 0).flatten(1).float().mean(1)
    assert 16 < int((blanked > 0).sum()) < 48
    assert 0.01 < blanked.max() < 0.5
