import pytest
import torch

from experiments.training.policies import POLICY, PublishedAutoAugment, StrengthRandAugment

# Whatever their magnitude, these do what they do.
FREE = {"auto_contrast", "equalize", "invert"}
NAMES: list[str] = [entry[0][0] for entry in POLICY]  # type: ignore[index]


def changed(name: str, magnitude: float) -> float:
    """Returns by how much one operation changes images that are smooth and of middling grey."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(64, 3, 4, 4, generator=generator) * 0.4 + 0.3
    images = torch.nn.functional.interpolate(coarse, size=32, mode="bilinear")
    policy = StrengthRandAugment(1, magnitude)
    torch.manual_seed(1)
    operation = list(policy.children())[NAMES.index(name)][0]
    shape = images.shape
    scale = {"translate_x": shape[-1], "translate_y": shape[-2]}.get(name, 1)
    low, high = operation.magnitude_range
    share = 1 - magnitude / 30 if name == "posterize" else magnitude / 30
    drawn = torch.full((len(images),), (low + (high - low) * share) * scale)
    out = operation(images, params=operation.forward_parameters(shape, mag=drawn))
    return float((out - images).abs().mean())


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FREE])
def test_a_magnitude_is_a_strength(name: str) -> None:
    weak, middle, strong = (changed(name, magnitude) for magnitude in (1.0, 12.0, 29.0))
    assert weak <= middle < strong
    if name != "solarize_add":  # which begins at pixels that it changes little
        assert weak < 0.25 * strong


def test_shears_reach_the_angle_whose_tangent_is_three_tenths() -> None:
    policy = StrengthRandAugment(1, 29.999)
    shear = list(policy.children())[NAMES.index("shear_x")][0]
    params = shear.forward_parameters(
        torch.Size((4, 3, 8, 8)), mag=torch.full((4,), shear.magnitude_range[1])
    )
    assert params["shear_x"].abs().tolist() == pytest.approx([16.699] * 4, abs=1e-2)


def test_operations_are_drawn_without_repeating() -> None:
    torch.manual_seed(0)
    policy = StrengthRandAugment(3, 9.5)
    for _ in range(10):
        drawn = [item.name for item in policy.forward_parameters(torch.Size((2, 3, 8, 8)))]
        assert len(set(drawn)) == 3


def moved(name: str, magnitude: int) -> torch.Tensor:
    """Returns what one operation of AutoAugment draws for 64 images of 100 pixels a side."""
    policy = PublishedAutoAugment("imagenet")
    operation = policy.compose_subpolicy_sequential([(name, 1.0, magnitude)])[0]
    torch.manual_seed(0)
    drawn = operation.forward_parameters(torch.Size((64, 3, 100, 100)))
    key = {"rotate": "degrees", "posterize": "bits_factor"}.get(name, name)
    values: torch.Tensor = drawn[key].flatten().float()
    return values


@pytest.mark.parametrize(
    ("name", "magnitude", "farthest"),
    [("rotate", 9, 27.0), ("rotate", 2, 6.0), ("shear_x", 9, 15.03), ("shear_y", 4, 6.68),
     ("translate_x", 9, 40.79), ("translate_y", 1, 4.53)],
)  # fmt: skip
def test_autoaugment_moves_images_either_way(name: str, magnitude: int, farthest: float) -> None:
    values = moved(name, magnitude)
    assert values.abs().tolist() == pytest.approx([farthest] * 64, abs=1e-2)
    assert 16 < int((values > 0).sum()) < 48


@pytest.mark.parametrize(("magnitude", "bits"), [(5, 2), (6, 2), (7, 2), (8, 3)])
def test_autoaugment_keeps_bits_as_in_tensorflow(magnitude: int, bits: int) -> None:
    assert set(moved("posterize", magnitude).tolist()) == {bits}


@pytest.mark.parametrize("policy", ["imagenet", "cifar10", "svhn"])
def test_autoaugment_gives_images(policy: str) -> None:
    augment = PublishedAutoAugment(policy)
    torch.manual_seed(0)
    images = torch.rand(4, 3, 12, 12)
    outs = [augment(images) for _ in range(20)]
    assert all(out.shape == images.shape and 0 <= out.min() <= out.max() <= 1 for out in outs)
    assert len({float(out.sum()) for out in outs}) > 10
