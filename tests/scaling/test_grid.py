"""The grid: which points, which networks, and which came out best."""

import math
from dataclasses import astuple, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.compound import PAPER, Constants, scale
from scaling.grid import (
    Candidate,
    GridRange,
    GridResult,
    candidates,
    distinct,
    grid_score,
    rank,
    spread,
)
from search_spaces.catalog import catalog_spec
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec


@pytest.fixture(scope="module")
def found(b0: ArchSpec) -> tuple[Candidate, ...]:
    return candidates(b0, GridRange())


def test_the_default_grid_keeps_108_of_2541_points(found: tuple[Candidate, ...]) -> None:
    assert GridRange().size == len(list(GridRange().points())) == 2541
    assert len(found) == 108
    assert PAPER in [candidate.constants for candidate in found]


def test_points_are_free_of_drift() -> None:
    values = {value for point in GridRange().points() for value in astuple(point)}
    assert values == {round(1 + i / 20, 2) for i in range(21)}


def test_a_point_at_exactly_the_tolerance_is_left_out() -> None:
    # 1.9·1·1 is 0.1 from 2, and 0.10000000000000009 in floats; 2.1 is 0.1 in both.
    admits = GridRange().admits
    assert not admits(Constants(1.9, 1, 1).product)
    assert not admits(Constants(2.1, 1, 1).product)
    assert admits(Constants(1.95, 1, 1).product)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"step": 0}, "step is 0"),
        ({"step": math.nan}, "step is nan"),
        ({"tolerance": -1}, "tolerance is -1"),
        ({"product": 0}, "product is 0"),
        ({"alpha": (2.0, 1.0)}, "alpha runs from 2.0 to 1.0"),
        ({"beta": (0.5, 1.0)}, "beta runs from 0.5"),
        ({"gamma": (1.0, math.inf)}, "gamma runs from 1.0 to inf"),
        ({"step": 0.001}, "points are more than 200,000"),
        ({"constraint": "exact"}, "no constraint is called 'exact'; it is nominal or counted"),
    ],
)
def test_ranges_that_make_no_grid_are_refused(changes: dict[str, object], named: str) -> None:
    with pytest.raises(InputError, match=named):
        GridRange(**changes)  # type: ignore[arg-type]


def test_an_empty_grid_says_what_is_nearest(b0: ArchSpec) -> None:
    grid = GridRange(alpha=(1.0, 1.1), beta=(1.0, 1.0), gamma=(1.0, 1.1), tolerance=0.01)
    with pytest.raises(InputError, match=r"nearest is 1\.331 at 1\.1,1,1\.1"):
        candidates(b0, grid)


def test_a_counted_grid_admits_what_networks_really_cost(b0: ArchSpec) -> None:
    grid = GridRange(step=0.1, constraint="counted", tolerance=0.15)
    found = candidates(b0, grid)
    macs = cost(b0).macs
    by_hand = {
        point for point in grid.points() if abs(cost(scale(b0, 1, point)).macs / macs - 2) < 0.15
    }
    assert {candidate.constants for candidate in found} == by_hand
    distances = [abs(candidate.macs_ratio - 2) for candidate in found]
    assert distances == sorted(distances)
    # Rounding repeats up costs φ = 1 so much that products far below 2 come out at it.
    assert min(candidate.product for candidate in found) < 1.5
    assert PAPER not in by_hand


def test_a_counted_grid_that_is_empty_says_what_is_nearest(b0: ArchSpec) -> None:
    grid = GridRange(
        alpha=(1.0, 1.0), beta=(1.0, 1.1), gamma=(1.0, 1.0), constraint="counted", product=3
    )
    with pytest.raises(
        InputError, match=r"no counted MACs ratio of efficientnet_b0 is within 0\.1"
    ):
        candidates(b0, grid)


@settings(max_examples=8)
@given(step=st.sampled_from([0.05, 0.1, 0.125]), tolerance=st.floats(0.15, 0.5))
def test_candidates_satisfy_the_tolerance(step: float, tolerance: float) -> None:
    grid = GridRange(step=step, tolerance=tolerance, alpha=(1.0, 1.5))
    found = candidates(catalog_spec("mobilenetv2"), grid)
    distances = [abs(candidate.product - 2) for candidate in found]
    assert all(distance < tolerance for distance in distances)
    assert distances == pytest.approx(sorted(distances))


def test_a_candidate_holds_what_its_network_costs(
    b0: ArchSpec, found: tuple[Candidate, ...]
) -> None:
    candidate = next(c for c in found if c.constants == PAPER)
    counted = cost(candidate.spec)
    assert (candidate.macs, candidate.params) == (counted.macs, counted.params)
    assert candidate.macs_ratio == counted.macs / cost(b0).macs
    assert candidate.fingerprint == fingerprint(candidate.spec)
    assert candidate.as_row() == {
        "alpha": 1.2, "beta": 1.1, "gamma": 1.15, "product": PAPER.product, "macs": counted.macs,
        "macs_ratio": candidate.macs_ratio, "params": counted.params, "resolution": 258,
        "fingerprint": candidate.fingerprint,
    }  # fmt: skip


def test_names_tell_candidates_apart(found: tuple[Candidate, ...]) -> None:
    assert len({candidate.spec.name for candidate in found}) == len(found)


def test_one_candidate_a_network_is_left(small: ArchSpec) -> None:
    found = candidates(small, GridRange())
    left = distinct(tuple(reversed(found)))
    assert len(left) < len(found)
    assert {c.fingerprint for c in left} == {c.fingerprint for c in found}
    for kept in left:
        twins = [c for c in found if c.fingerprint == kept.fingerprint]
        assert abs(kept.product - 2) <= min(abs(c.product - 2) for c in twins) + 1e-9


def test_a_spread_starts_at_the_paper_and_reaches_the_corners(found: tuple[Candidate, ...]) -> None:
    picked = [candidate.constants for candidate in spread(found, 4)]
    assert picked[0] == PAPER
    assert Constants(2.0, 1.0, 1.0) in picked
    assert Constants(1.0, 1.4, 1.0) in picked
    assert Constants(1.0, 1.0, 1.4) in spread_constants(found, 5)


def spread_constants(found: tuple[Candidate, ...], count: int) -> list[Constants]:
    return [candidate.constants for candidate in spread(found, count)]


def test_a_shorter_spread_starts_a_longer_one(found: tuple[Candidate, ...]) -> None:
    whole = spread_constants(found, 1000)
    assert len(set(whole)) == len(whole) == len(found)
    assert spread_constants(found, 7) == whole[:7]


def test_a_spread_picks_a_repeated_point_once_each(found: tuple[Candidate, ...]) -> None:
    assert len(spread((found[0], found[0], found[1]), 3)) == 3
    assert spread((), 3) == ()
    with pytest.raises(InputError, match="at least 1"):
        spread(found, 0)


def result(found: Candidate, ratio: float, *accuracies: float) -> GridResult:
    candidate = replace(found, macs=int(ratio * 1e6), macs_ratio=ratio)
    return GridResult(candidate, accuracies, 1.0)


def test_results_report_mean_deviation_and_n(found: tuple[Candidate, ...]) -> None:
    several = result(found[0], 2, 0.5, 0.7)
    assert (several.n, several.mean) == pytest.approx((2, 0.6))
    assert several.deviation == pytest.approx(0.1 * math.sqrt(2))
    assert math.isnan(result(found[0], 2, 0.5).deviation)
    assert math.isnan(result(found[0], 2).mean)


def test_the_score_at_the_target_is_the_accuracy() -> None:
    assert grid_score(0.8, 2.0) == 0.8
    assert grid_score(0.8, 4.0) == pytest.approx(0.8 * 2**-0.07)
    assert grid_score(0.8, 3.0, target_ratio=3.0, exponent=-1) == 0.8


def test_dearer_candidates_must_be_better(found: tuple[Candidate, ...]) -> None:
    near, dear = result(found[0], 2.0, 0.800), result(found[1], 2.6, 0.805)
    failed = result(found[2], 1.0)
    assert rank([failed, dear, near]) == (near, dear, failed)
    assert rank([near, dear], exponent=0) == (dear, near)


def test_of_equal_results_the_cheaper_is_first(found: tuple[Candidate, ...]) -> None:
    dear, cheap = result(found[0], 3.0, 0.8), result(found[1], 2.0, 0.8)
    assert rank([dear, cheap], exponent=0) == (cheap, dear)
    failed = [result(found[0], 3.0), result(found[1], 2.0, math.nan)]
    assert rank([*failed, dear])[0] == dear
