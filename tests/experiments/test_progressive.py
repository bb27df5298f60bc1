import pytest

from experiments.progressive import Stage, make_stages, rising, stage_at
from experiments.recipes import Recipe, load_recipe
from search_spaces.errors import InputError

# arXiv:2104.00298, Table 6: image, RandAugment magnitude, mixup and dropout, from and to.
TABLE_6 = {
    "S": (384, (128, 300), (5, 15), (0, 0), (0.1, 0.3)),
    "M": (480, (128, 380), (5, 20), (0, 0.2), (0.1, 0.4)),
    "L": (480, (128, 380), (5, 25), (0, 0.4), (0.1, 0.5)),
}
SIDES = {"S": [128, 185, 243, 300], "M": [128, 212, 296, 380], "L": [128, 212, 296, 380]}
# What efficientnet_v2.toml says to set for the larger members.
CHANGES: dict[str, dict[str, object]] = {
    "S": {},
    "M": {"magnitude": 20, "mixup": 0.2, "dropout": 0.4},
    "L": {"magnitude": 25, "mixup": 0.4, "dropout": 0.5},
}
SIZES = {"start_resolution": 0.267, "end_resolution": 0.792}


def stages(name: str, **more: object) -> tuple[Stage, ...]:
    resolution, *_ = TABLE_6[name]
    sizes = SIZES if name != "S" else {}
    recipe = load_recipe("efficientnet_v2", {**CHANGES[name], **sizes, **more})
    return make_stages(recipe, resolution=resolution, images=1_000_000)


@pytest.mark.parametrize("name", TABLE_6)
def test_the_stages_of_the_papers_table(name: str) -> None:
    _, side, *ranges = TABLE_6[name]
    found = stages(name)
    assert [stage.first_epoch for stage in found] == [0, 87, 175, 262]
    assert [stage.resolution for stage in found] == SIDES[name]
    assert (found[0].resolution, found[-1].resolution) == side
    for attribute, (low, high) in zip(("magnitude", "mixup", "dropout"), ranges, strict=True):
        values = [getattr(stage, attribute) for stage in found]
        third = (high - low) / 3
        assert values == pytest.approx([low, low + third, low + 2 * third, high])


def test_values_rise_in_a_line() -> None:
    assert [rising(2, 8, i, 4) for i in range(4)] == [2, 4, 6, 8]
    assert rising(2, 8, 0, 1) == 8, "a single stage is the last one"


def test_a_batch_follows_the_memory() -> None:
    found = stages("S")
    assert [stage.batch_size for stage in found] == [1406, 673, 390, 256]
    pixels = [stage.batch_size * stage.resolution**2 for stage in found]
    assert max(pixels) <= 256 * 300**2
    assert min(pixels) > 0.99 * 256 * 300**2
    assert {stage.batch_size for stage in stages("S", progressive_batch=False)} == {256}


def test_a_larger_batch_leaves_an_epoch_some_steps() -> None:
    recipe = load_recipe("efficientnet_v2")
    found = make_stages(recipe, resolution=384, images=8000)
    assert [stage.batch_size for stage in found] == [500, 500, 390, 256]
    few = make_stages(recipe, resolution=384, images=300)
    assert {stage.batch_size for stage in few} == {256}


def test_the_parts_of_a_batch_follow_the_memory_too() -> None:
    found = stages("S", accumulate=4, progressive_batch=False)
    assert [stage.micro_batch for stage in found] == [256, 168, 97, 64]


def test_a_recipe_without_stages_is_one_stage() -> None:
    recipe = load_recipe("fast", {"accumulate": 3})
    (stage,) = make_stages(recipe, resolution=32, images=5000, dropout=0.25)
    assert stage == Stage(0, 32, 9, 0, 0.25, 64, 22)


def test_a_training_shorter_than_its_stages_ends_at_the_full_size() -> None:
    found = make_stages(load_recipe("efficientnet_v2", {"epochs": 2}), resolution=384, images=10**6)
    assert [(stage.first_epoch, stage.resolution) for stage in found] == [(0, 128), (1, 300)]


def test_every_epoch_has_a_stage() -> None:
    found = make_stages(load_recipe("efficientnet_v2", {"epochs": 7}), resolution=32, images=999)
    assert [stage_at(found, epoch).resolution for epoch in range(7)] == [11, 16, 16, 20, 20, 25, 25]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start_resolution": 128, "end_resolution": 300}, "end_resolution is 300 pixels, the"),
        ({"start_resolution": 128}, "start_resolution is 128 pixels, the network's images are 32"),
        ({"start_resolution": 0.9}, "start_resolution is 29 pixels, more than end_resolution's 25"),
        ({"start_resolution": 0.001}, "the recipe is for images of another size"),
    ],
)
def test_a_recipe_for_another_size_is_refused(changes: dict[str, object], message: str) -> None:
    recipe: Recipe = load_recipe("efficientnet_v2", changes)
    with pytest.raises(InputError, match=message):
        make_stages(recipe, resolution=32, images=1000)


def test_sizes_may_be_pixels() -> None:
    recipe = load_recipe("efficientnet_v2", {"start_resolution": 16, "end_resolution": 28})
    found = make_stages(recipe, resolution=32, images=1000)
    assert [stage.resolution for stage in found] == [16, 20, 24, 28]
