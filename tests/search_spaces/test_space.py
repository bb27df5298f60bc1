import itertools
from dataclasses import replace

import numpy as np
import pytest

from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.space import Choice, SearchSpace, StageOptions, Value
from search_spaces.spec import ArchSpec, StageSpec


def stage(out_ch: int, stride: int, repeats: int = 1) -> StageSpec:
    return StageSpec("mbconv", kernel=3, stride=stride, expand=3, out_ch=out_ch, repeats=repeats)


SKELETON = ArchSpec(
    "hand", resolution=9, stages=(stage(16, 2), stage(32, 2, 2)), stem_ch=8, head_ch=40
)
OPTIONS = (
    StageOptions(("mbconv", "fused"), (3,), (1, 4), (0, 0.25), (0,), (0.5, 1)),
    StageOptions(("mbconv",), (3, 5), (3, 6), (0.25,), (-1, 0, 1), (0.75, 1.5)),
)
SPACE = SearchSpace("hand", SKELETON, OPTIONS)


def everything(space: SearchSpace) -> list[dict[str, Value]]:
    names = [choice.name for choice in space.choices]
    options = (choice.options for choice in space.choices)
    return [dict(zip(names, values, strict=True)) for values in itertools.product(*options)]


def test_choices_follow_the_network_and_leave_out_what_is_settled() -> None:
    assert SPACE.choices == (
        Choice("stage1.kind", ("mbconv", "fused")),
        Choice("stage1.expand", (1, 4)),
        Choice("stage1.se", (0, 0.25)),
        Choice("stage1.width", (0.5, 1)),
        Choice("stage2.kernel", (3, 5)),
        Choice("stage2.expand", (3, 6)),
        Choice("stage2.layers", (-1, 0, 1)),
        Choice("stage2.width", (0.75, 1.5)),
    )


def test_size_counts_the_combinations() -> None:
    assert SPACE.size == 2 * 2 * 2 * 2 * 2 * 2 * 3 * 2 == len(everything(SPACE))


def test_decode_does_what_was_chosen() -> None:
    spec = SPACE.decode(
        {
            "stage1.kind": "mbconv",
            "stage1.expand": 4,
            "stage1.se": 0.25,
            "stage1.width": 0.5,
            "stage2.kernel": 5,
            "stage2.expand": 6,
            "stage2.layers": 1,
            "stage2.width": 1.5,
        }
    )
    first = StageSpec("mbconv", 3, 2, 4, out_ch=8, repeats=1, se_ratio=0.25)
    second = StageSpec("mbconv", 5, 2, 6, out_ch=48, repeats=3, se_ratio=0.25)
    assert spec == replace(SKELETON, stages=(first, second))


def test_a_fused_stage_has_no_squeeze_excite_whatever_is_chosen() -> None:
    plain = {**everything(SPACE)[0], "stage1.kind": "fused"}
    gated = {**plain, "stage1.se": 0.25}
    assert SPACE.decode(gated) == SPACE.decode(plain)
    assert SPACE.decode(gated).stages[0].se_ratio == 0
    assert len({fingerprint(SPACE.decode(v)) for v in everything(SPACE)}) < SPACE.size


def test_a_stage_keeps_at_least_one_block() -> None:
    shallow = SearchSpace(
        "shallow", replace(SKELETON, stages=(stage(16, 1),)), (StageOptions(layers=(-1, 0)),)
    )
    assert {shallow.decode(v).depth for v in everything(shallow)} == {1}


def test_encode_and_values_undo_each_other() -> None:
    for values in everything(SPACE):
        indices = SPACE.encode(values)
        assert indices.dtype == np.int64
        assert indices.shape == (len(SPACE.choices),)
        assert SPACE.values(indices) == values
    rows = {tuple(SPACE.encode(values).tolist()) for values in everything(SPACE)}
    assert len(rows) == SPACE.size


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stage2.kernal": 3}, "no choice 'stage2.kernal'; did you mean stage2.kernel?"),
        ({"stage9.kind": "fused"}, "space hand has no choice 'stage9.kind'"),
        ({"stage2.kernel": 4}, "stage2.kernel is 4; it must be one of 3, 5"),
        ({"stage1.kind": "conv"}, "stage1.kind is 'conv'; it must be one of mbconv, fused"),
        ({"stage2.se": 0.25}, "has no choice 'stage2.se'"),
    ],
)
def test_choices_that_the_space_does_not_offer_are_refused(
    change: dict[str, Value], message: str
) -> None:
    values = {**everything(SPACE)[0], **change}
    for read in (SPACE.decode, SPACE.encode):
        with pytest.raises(InputError) as refused:
            read(values)
        assert message in str(refused.value)


def test_a_choice_that_is_left_out_is_named() -> None:
    values = everything(SPACE)[0]
    del values["stage2.layers"]
    with pytest.raises(InputError, match=r"stage2\.layers is not chosen"):
        SPACE.decode(values)


def test_a_space_needs_options_for_every_stage() -> None:
    with pytest.raises(InputError, match="space odd: 2 stages but options for 1"):
        SearchSpace("odd", SKELETON, OPTIONS[:1])


def test_macs_range_is_what_brute_force_finds() -> None:
    macs = [cost(SPACE.decode(values)).macs for values in everything(SPACE)]
    assert SPACE.macs_range == (min(macs), max(macs))


@pytest.mark.parametrize("seed", range(6))
def test_macs_range_is_exact_for_any_skeleton(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def some(options: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(rng.choice(options, size=2, replace=False).tolist()))

    stages = tuple(
        stage(int(rng.choice([8, 16, 24])), int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        for _ in range(3)
    )
    skeleton = replace(SKELETON, resolution=int(rng.integers(5, 20)), stages=stages)
    options = tuple(
        StageOptions(("mbconv", "fused"), (3,), some((1, 2, 4)), (0.25,), (0,), some((0.5, 1, 2)))
        for _ in stages
    )
    space = SearchSpace("random", skeleton, options)
    macs = [cost(space.decode(values)).macs for values in everything(space)]
    assert space.macs_range == (min(macs), max(macs))


def test_a_target_out_of_reach_is_refused_with_the_range() -> None:
    low, high = SPACE.macs_range
    SPACE.check_target(low)
    SPACE.check_target(high)
    reach = f"reaches {low / 1e6:.4g}M to {high / 1e6:.4g}M"
    for target in (low - 1, high + 1):
        with pytest.raises(InputError) as refused:
            SPACE.check_target(target)
        assert reach in str(refused.value)
        assert "at 9×9" in str(refused.value)
        assert f"{target / 1e6:.4g}M MACs" in str(refused.value)


def test_sampling_draws_every_option_about_as_often() -> None:
    rng = np.random.default_rng(0)
    count = 3000
    rows = np.array([SPACE.encode(SPACE.sample(rng)) for _ in range(count)])
    for column, choice in enumerate(SPACE.choices):
        expected = count / len(choice.options)
        drawn = np.bincount(rows[:, column], minlength=len(choice.options))
        assert np.abs(drawn - expected).max() < 5 * expected**0.5
    for one, other in itertools.combinations(range(rows.shape[1]), 2):
        assert abs(np.corrcoef(rows[:, one], rows[:, other])[0, 1]) < 0.1


def test_sampling_follows_its_generator() -> None:
    draws = [[SPACE.sample(np.random.default_rng(seed)) for _ in range(5)] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_neighbours_are_all_that_differ_in_one_choice() -> None:
    values = SPACE.sample(np.random.default_rng(0))
    found = list(SPACE.neighbours(values))
    assert len(found) == sum(len(choice.options) - 1 for choice in SPACE.choices)
    for other in found:
        assert sum(other[name] != values[name] for name in values) == 1
        SPACE.decode(other)
    assert len({tuple(other.items()) for other in found}) == len(found)
