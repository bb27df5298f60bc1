"""Which networks the studies compare, and how near their counted MACs come."""

from dataclasses import replace

import pytest

from scaling.compound import PAPER, Constants
from scaling.studies import DIMENSIONS, STUDIES, Point, Rules, scaled_to, study_points
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.resize import Rounding
from search_spaces.spec import ArchSpec

RULES = Rules(PAPER)


def shape(spec: ArchSpec) -> tuple[list[int], list[int], int]:
    stages = spec.stages
    return [s.repeats for s in stages], [s.out_ch for s in stages], spec.resolution


def named(points: tuple[Point, ...]) -> dict[tuple[str, float], Point]:
    return {(point.series, point.asked): point for point in points}


def test_single_changes_one_dimension_and_counts_macs(b0: ArchSpec) -> None:
    base, *scaled = study_points("single", b0, (4, 2), RULES)
    assert (base.ratio, base.spec) == (1, b0)
    assert [(p.series, p.asked) for p in scaled] == [(d, r) for d in DIMENSIONS for r in (2, 4)]
    repeats, widths, side = shape(b0)
    for point in scaled:
        assert point.macs == cost(point.spec).macs
        assert point.ratio == point.macs / base.macs
        assert point.ratio == pytest.approx(point.asked, rel=0.05)
        own = shape(point.spec)
        same = {"depth": own[0] == repeats, "width": own[1] == widths, "resolution": own[2] == side}
        assert [name for name, is_same in same.items() if not is_same] == [point.series]


def test_compound_compares_at_the_macs_that_depth_comes_to(small: ArchSpec) -> None:
    points = named(study_points("compound", small, (4,), RULES))
    assert {name for name, _ in points} == {"base", *DIMENSIONS, "compound"}
    deeper = points["depth", 4]
    for (name, asked), point in points.items():
        if name != "base":
            assert asked == 4
            assert point.ratio == pytest.approx(deeper.ratio, rel=0.1)
    compound = points["compound", 4]
    assert compound.depth > 1 < compound.width
    assert compound.side_factor > 1
    phi = 1.2
    assert RULES.compound(PAPER.product**phi) == pytest.approx((1.2**phi, 1.1**phi, 1.15**phi))


def test_interaction_widens_under_four_settings_to_equal_macs(b0: ArchSpec) -> None:
    scaled = study_points("interaction", b0, (4, 8), RULES)[1:]
    assert len(scaled) == 8
    alone = named(study_points("single", b0, (4, 8), RULES))
    for point in scaled:
        assert point.ratio == pytest.approx(point.asked, rel=0.05)
        assert point.spec.resolution == round(224 * point.side_factor)
        if point.series == "d 1, r 1":  # the same network as alone: trained once
            assert shape(point.spec) == shape(alone["width", point.asked].spec)
    assert {p.spec.resolution for p in scaled} == {224, 291}
    assert {(p.depth, p.side_factor) for p in scaled} == {(1, 1), (2, 1), (1, 1.3), (2, 1.3)}


@pytest.mark.parametrize(
    ("study", "ratios", "message"),
    [
        ("singel", (2,), "no study is called 'singel'; they are single, interaction"),
        ("single", (), "numbers above 1 are wanted"),
        ("single", (2, 2), "ratios 2, 2"),
        ("single", (0.5,), "ratios 0.5: numbers above 1"),
        ("single", (float("nan"),), "ratios nan"),
        ("compound", (1e9,), "cannot be scaled to 1e+09× its"),
    ],
)
def test_a_bad_request_is_refused(
    small: ArchSpec, study: str, ratios: tuple[float, ...], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        study_points(study, small, ratios, RULES)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_base_that_cannot_grow_in_a_dimension_is_refused(small: ArchSpec) -> None:
    one = replace(small, stages=small.stages[:1])
    with pytest.raises(InputError, match="by depth; the nearest is 1×"):
        scaled_to(one, "depth", 2, DIMENSIONS["depth"], Rounding(fixed_ends=True))


@pytest.mark.parametrize("values", [(1.0, 1.0, 1.0), (0.9, 1.5, 1.5)])
def test_constants_must_make_networks_larger(values: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="none below 1"):
        Rules(Constants(*values))


def test_every_study_begins_with_its_base(small: ArchSpec) -> None:
    for study in STUDIES:
        assert study_points(study, small, (4,), RULES)[0].spec == small
