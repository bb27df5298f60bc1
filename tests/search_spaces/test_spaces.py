from dataclasses import replace

import numpy as np
import pytest

from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.network import build
from search_spaces.spaces import SKELETONS, SPACES, make_space, skeleton_for

SIZES = (8, 32, 224)
KINDS = {
    "mbconv": ("conv", "dsconv", "mbconv"),
    "fused": ("fused",),
    "mixed": ("mbconv", "fused"),
}


def test_the_spaces_are_the_promised_ones() -> None:
    assert set(SPACES) == {"mbconv", "fused", "mixed"}


@pytest.mark.parametrize(
    ("image_size", "name", "resolution"),
    [
        (8, "tiny", 16),
        (16, "tiny", 16),
        (17, "small", 24),
        (28, "small", 28),
        (32, "small", 32),
        (64, "small", 64),
        (65, "large", 96),
        (128, "large", 128),
        (224, "large", 224),
        (500, "large", 224),
    ],
)
def test_the_skeleton_suits_the_images_and_upsamples_small_ones(
    image_size: int, name: str, resolution: int
) -> None:
    assert skeleton_for(image_size).name == name
    assert skeleton_for(image_size).resolution(image_size) == resolution
    space = make_space("mbconv", image_size=image_size, num_classes=10)
    assert space.skeleton.resolution == resolution


def test_a_resolution_that_is_asked_for_chooses_the_skeleton() -> None:
    space = make_space("mixed", image_size=8, num_classes=10, resolution=32)
    assert space.skeleton.name == "small"
    assert space.skeleton.resolution == 32


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(SPACES))
def test_macs_range_holds_random_networks(name: str, size: int) -> None:
    space = make_space(name, image_size=size, num_classes=10)
    low, high = space.macs_range
    rng = np.random.default_rng(0)
    macs = [cost(space.decode(space.sample(rng))).macs for _ in range(300)]
    assert low <= min(macs) < max(macs) <= high
    assert low < high / 4, "a space worth searching spans more than a factor of four"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sorted(SPACES))
def test_a_space_offers_what_its_description_says(name: str, size: int) -> None:
    space = make_space(name, image_size=size, num_classes=7)
    kinds = {
        stage.kind
        for _ in range(40)
        for stage in space.decode(space.sample(np.random.default_rng(_))).stages
    }
    assert kinds == set(KINDS[name])
    assert space.name == name
    assert space.skeleton.num_classes == 7
    offered = {choice.name.split(".")[1] for choice in space.choices}
    everywhere = {"kernel", "expand", "layers", "width"}
    assert offered >= everywhere
    assert ("se" in offered) == (name != "fused")
    assert ("kind" in offered) == (name != "fused")
    assert ("skip" in offered) == (name == "mbconv")


@pytest.mark.parametrize("name", sorted(SPACES))
def test_round_trips_through_the_encoding(name: str) -> None:
    space = make_space(name, image_size=8, num_classes=10)
    rng = np.random.default_rng(1)
    for _ in range(50):
        values = space.sample(rng)
        again = space.values(space.encode(values))
        assert again == values
        assert fingerprint(space.decode(again)) == fingerprint(space.decode(values))


@pytest.mark.parametrize("name", sorted(SPACES))
def test_a_drawn_network_can_be_built_and_has_the_counted_parameters(name: str) -> None:
    space = make_space(name, image_size=8, num_classes=10)
    spec = space.decode(space.sample(np.random.default_rng(2)))
    network = build(spec)
    assert sum(p.numel() for p in network.parameters()) == cost(spec).params


def test_width_multiplies_the_skeleton() -> None:
    plain = make_space("mbconv", image_size=8, num_classes=10)
    wide = make_space("mbconv", image_size=8, num_classes=10, width=2)
    for one, two in zip(plain.skeleton.stages, wide.skeleton.stages, strict=True):
        assert two == replace(one, out_ch=2 * one.out_ch)
    assert wide.skeleton.head_ch == 2 * plain.skeleton.head_ch
    assert wide.macs_range > plain.macs_range


def test_an_unknown_space_is_refused_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'mbconv'"):
        make_space("mbcon", image_size=8, num_classes=10)
    with pytest.raises(InputError, match="the spaces are mbconv, fused, mixed"):
        make_space("xyzzy", image_size=8, num_classes=10)


def test_skeletons_serve_every_size_of_image_once() -> None:
    bounds = [skeleton.up_to for skeleton in SKELETONS]
    assert bounds == sorted(set(bounds))
    for skeleton in SKELETONS:
        assert skeleton.smallest <= skeleton.largest <= skeleton.up_to


def test_a_resolution_beyond_any_network_is_refused() -> None:
    with pytest.raises(InputError, match="resolution is 5000; it must be a whole number"):
        make_space("mbconv", image_size=8, num_classes=10, resolution=5000)
    assert make_space("mbconv", image_size=9000, num_classes=10).skeleton.resolution == 224


def test_mbconv_has_the_factorised_choices_of_mnasnet() -> None:
    space = make_space("mbconv", image_size=224, num_classes=1000)
    options = {choice.name: choice.options for choice in space.choices}
    for stage in range(2, 8):
        assert options[f"stage{stage}.kind"] == ("conv", "dsconv", "mbconv")
        assert options[f"stage{stage}.kernel"] == (3, 5)
        assert options[f"stage{stage}.expand"] == (3, 4, 6)
        assert options[f"stage{stage}.se"] == (0, 0.25)
        assert options[f"stage{stage}.skip"] == ("pooled", "identity", "none")
        assert options[f"stage{stage}.layers"] == (-1, 0, 1)
        assert options[f"stage{stage}.width"] == (0.75, 1, 1.25)
