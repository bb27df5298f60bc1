"""The rounding rules, and networks brought to other sizes."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.layers import ConvLayer, block_layers, head_layers, stem_layers
from search_spaces.resize import Rounding, limit_stride, resize, round_filters, round_repeats
from search_spaces.spec import ArchSpec, SpecError, StageSpec
from tests.search_spaces.strategies import arch_specs

BASE = catalog_spec("efficientnet_b0")
PLAIN = Rounding(ninety_percent=False)
FIXED = Rounding(fixed_ends=True)


def running_statistics(spec: ArchSpec) -> int:
    blocks = [block for stage in spec.stage_blocks() for block in stage]
    paths = [layer for block in blocks for layer in block_layers(block).path]
    layers = [*stem_layers(spec), *head_layers(spec), *paths]
    return sum(2 * layer.out_ch for layer in layers if isinstance(layer, ConvLayer))


@pytest.mark.parametrize(
    ("channels", "with_rule", "without"),
    # B3 multiplies widths by 1.2: of its widths only 16·1.2 = 19.2 would fall over 10% short.
    [(19.2, 24, 16), (28.8, 32, 32), (38.4, 40, 40), (48, 48, 48), (1, 8, 8), (12, 16, 16)],
)
def test_widths_are_rounded_as_published(channels: float, with_rule: int, without: int) -> None:
    assert round_filters(channels) == with_rule
    assert round_filters(channels, PLAIN) == without


@given(channels=st.floats(1, 5000), divisor=st.sampled_from([1, 2, 4, 8, 16]))
def test_widths_are_multiples_and_never_far_below(channels: float, divisor: int) -> None:
    rounded = round_filters(channels, Rounding(divisor=divisor))
    assert rounded % divisor == 0
    assert rounded >= 0.9 * channels


def test_the_rule_matters_for_b3() -> None:
    ruled, plain = (
        resize(BASE, width=1.2, depth=1.4, resolution=300, rounding=rounding)
        for rounding in (Rounding(), PLAIN)
    )
    assert cost(ruled).params // 1000 == 12_233
    # google/automl's own tests count BatchNorm's running statistics as well.
    assert (cost(ruled).params + running_statistics(ruled)) // 1000 == 12_320
    assert (cost(plain).params + running_statistics(plain)) // 1000 == 12_314


def test_v2_b3_goes_without_the_rule() -> None:
    base = catalog_spec("efficientnetv2_b0")
    v2_b3 = resize(base, width=1.2, depth=1.4, rounding=PLAIN)
    assert v2_b3.stages == catalog_spec("efficientnetv2_b3").stages
    assert v2_b3.stages != resize(base, width=1.2, depth=1.4).stages


@pytest.mark.parametrize(
    ("exact", "blocks"), [(1.0, 1), (1.1, 2), (0.2, 1), (3 * 1.4, 5), (5 * 1.2, 6), (2 + 1e-12, 2)]
)
def test_repeats_are_rounded_up(exact: float, blocks: int) -> None:
    assert round_repeats(exact) == blocks


def test_lite_networks_keep_their_ends() -> None:
    lite = resize(BASE, width=1.4, depth=1.8, rounding=Rounding(fixed_ends=True))
    assert (lite.stem_ch, lite.head_ch) == (32, 1280)
    assert [lite.stages[0].repeats, lite.stages[-1].repeats] == [1, 1]
    assert lite.stages[1].repeats == 4


@given(spec=arch_specs())
def test_multipliers_of_one_change_nothing(spec: ArchSpec) -> None:
    assert resize(spec) == spec


@pytest.mark.parametrize(
    "bad", [{"width": 0}, {"depth": -1}, {"width": float("nan")}, {"depth": float("inf")}]
)
def test_multipliers_must_be_positive(bad: dict[str, float]) -> None:
    with pytest.raises(SpecError, match="positive"):
        resize(BASE, **bad)  # type: ignore[arg-type]


def test_a_resolution_of_nought_is_refused() -> None:
    with pytest.raises(SpecError, match="resolution is 0"):
        resize(BASE, resolution=0)


def test_the_earliest_strides_go_first() -> None:
    limited = limit_stride(BASE, 4)
    assert limited.stem_stride == 1
    assert [stage.stride for stage in limited.stages] == [1, 1, 1, 2, 1, 2, 1]
    assert limit_stride(BASE, 32) == BASE


@given(spec=arch_specs(), most=st.integers(0, 40))
def test_strides_are_limited_and_nothing_else_changes(spec: ArchSpec, most: int) -> None:
    limited = limit_stride(spec, most)
    assert limited.total_stride <= max(1, most)
    if spec.total_stride <= most:
        assert limited == spec
    assert [replace(stage, stride=1) for stage in limited.stages] == [
        replace(stage, stride=1) for stage in spec.stages
    ]


def test_a_residual_networks_pooling_goes_after_its_stem_stride() -> None:
    spec = replace(BASE, stem_pool=True)
    assert spec.total_stride == 64
    limited = limit_stride(spec, 16)
    assert (limited.stem_stride, limited.stem_pool, limited.total_stride) == (1, False, 16)


def test_exact_and_hidden_widths_are_multiplied_too() -> None:
    stage = StageSpec("mbconv", 3, 1, 1, 24, 1, expand_ch=72)
    wide = resize(ArchSpec("one", 32, (stage,), hidden_ch=1280), width=0.75)
    assert (wide.stages[0].expand_ch, wide.hidden_ch, wide.head_ch) == (56, 960, 960)
    lite = resize(ArchSpec("one", 32, (stage,), hidden_ch=99), width=2, rounding=FIXED)
    assert (lite.stages[0].expand_ch, lite.hidden_ch) == (144, 99)


def test_a_bottlenecks_inner_width_is_rounded_by_itself() -> None:
    base = catalog_spec("resnet50")
    wide = resize(base, width=1.1)  # 256·1.1 is rounded to 280, of which a quarter is 70
    assert [stage.out_ch for stage in wide.stages] == [280, 560, 1128, 2256]
    inner = [
        layer.out_ch
        for blocks in wide.stage_blocks()
        for layer in block_layers(blocks[0]).path
        if layer.name == "spatial" and isinstance(layer, ConvLayer)
    ]
    assert inner == [72, 144, 280, 560]
    assert resize(base, width=2).stages[0] == replace(base.stages[0], out_ch=512)
    twice = resize(wide, width=0.5)
    assert all(stage.expand_ch and stage.expand_ch % 8 == 0 for stage in twice.stages)


def test_later_stages_may_have_more_of_the_depth() -> None:
    small = catalog_spec("efficientnetv2_s")
    late = resize(small, depth=1.75, rounding=Rounding(late_layers=0.35))
    # EfficientNetV2-L, made by hand, has 4, 7, 7, 10, 19 and, in two stages, 25 + 7.
    assert [stage.repeats for stage in late.stages] == [4, 8, 8, 12, 19, 32]
    plain = resize(small, depth=1.75)
    assert [stage.repeats for stage in plain.stages] == [4, 7, 7, 11, 16, 27]
    fixed = resize(small, depth=1.75, rounding=Rounding(fixed_ends=True, late_layers=0.35))
    assert [stage.repeats for stage in fixed.stages] == [2, 8, 8, 12, 19, 15]
    one = replace(small, stages=small.stages[:1])
    assert resize(one, depth=2, rounding=Rounding(late_layers=1)).stages[0].repeats == 4


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"divisor": 0}, "rounding: divisor is 0"),
        ({"late_layers": -1}, "rounding: late_layers is -1"),
        ({"late_layers": float("nan")}, "rounding: late_layers is nan"),
    ],
)
def test_a_rule_that_is_none_is_refused(values: dict[str, float], named: str) -> None:
    with pytest.raises(SpecError, match=named):
        Rounding(**values)  # type: ignore[arg-type]
