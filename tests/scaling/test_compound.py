"""One φ, three multipliers, and the network they make."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.compound import (
    PAPER,
    Constants,
    implied_phi,
    macs_label,
    macs_text,
    multipliers,
    scale,
)
from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.resize import Rounding
from search_spaces.spec import ArchSpec

growing = st.builds(Constants, st.floats(1, 2), st.floats(1, 1.5), st.floats(1, 1.5))


def test_the_papers_product() -> None:
    assert PAPER.product == pytest.approx(1.9203, abs=5e-5)
    assert PAPER.as_dict() == {"alpha": 1.2, "beta": 1.1, "gamma": 1.15}


@pytest.mark.parametrize("text", ["1.2,1.1,1.15", " 1.2, 1.1 ,1.15 "])
def test_constants_are_read(text: str) -> None:
    assert Constants.parse(text) == PAPER


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("1.2,1.1", "three numbers"),
        ("1.2,1.1,1.15,1", "three numbers"),
        ("", "three numbers"),
        ("a,b,c", "three numbers"),
        ("0,1,1", "alpha is 0"),
        ("1,-1,1", "beta is -1"),
        ("1,1,inf", "gamma is inf"),
        ("nan,1,1", "alpha is nan"),
    ],
)
def test_other_constants_are_refused(text: str, named: str) -> None:
    with pytest.raises(InputError, match=named):
        Constants.parse(text)


def test_phi_of_one_with_the_papers_constants(b0: ArchSpec) -> None:
    member = scale(b0, 1, PAPER)
    counted = cost(member)
    assert member.name == "efficientnet_b0_phi1"
    assert member.resolution == 258
    assert counted.params == 9_109_994
    assert counted.macs / 1e9 == pytest.approx(0.993, abs=5e-4)
    assert counted.macs / cost(b0).macs == pytest.approx(2.57, abs=5e-3)


@pytest.mark.parametrize("phi", [0, 0.0, -0.0])
def test_phi_of_nought_is_the_base(b0: ArchSpec, phi: float) -> None:
    assert scale(b0, phi, PAPER) == replace(b0, name="efficientnet_b0_phi0")
    assert scale(b0, phi, PAPER, name="mine") == replace(b0, name="mine")


@given(constants=growing, phi=st.floats(-2, 2), more=st.floats(0, 1))
def test_macs_never_fall_as_phi_rises(constants: Constants, phi: float, more: float) -> None:
    base = catalog_spec("efficientnet_b0")
    low, high = (cost(scale(base, value, constants)).macs for value in (phi, phi + more))
    assert low <= high


@given(constants=growing, phi=st.floats(-3, 3))
def test_multipliers_cost_the_product_to_the_phi(constants: Constants, phi: float) -> None:
    depth, width, resolution = multipliers(phi, constants)
    assert depth * width**2 * resolution**2 == pytest.approx(constants.product**phi)


def test_the_rounding_is_the_callers(b0: ArchSpec) -> None:
    member = scale(b0, 0.5, PAPER, rounding=Rounding(fixed_ends=True))
    assert (member.stem_ch, member.head_ch) == (b0.stem_ch, b0.head_ch)


@pytest.mark.parametrize(
    ("phi", "constants", "named"),
    [
        (1, Constants(0.9, 1.1, 1.1), "alpha is 0.9"),
        (0.5, Constants(1, 1.1, 0.5), "gamma is 0.5"),
        (math.nan, PAPER, "φ is nan"),
        (math.inf, PAPER, "φ is inf"),
        (1e6, PAPER, "φ = 1e"),
        (30, PAPER, "φ = 30"),
        (-60, PAPER, "φ = -60"),
        (20, Constants(1, 1.5, 1), "φ = 20"),
        (20, Constants(2, 1, 1), "φ = 20"),
        (-1e6, Constants(1, 0.5, 1), "φ = -1e"),
    ],
)
def test_a_phi_without_a_network_is_named(
    b0: ArchSpec, phi: float, constants: Constants, named: str
) -> None:
    with pytest.raises(InputError, match=named) as error:
        scale(b0, phi, constants)
    assert "\n" not in str(error.value)


def test_constants_below_one_may_shrink(b0: ArchSpec) -> None:
    assert cost(scale(b0, -1, Constants(0.8, 0.9, 0.9))).macs > cost(b0).macs


@pytest.mark.parametrize(
    ("member", "phi"), list(enumerate((0.34, 0.97, 1.85, 3.34, 4.54, 5.55, 6.48), 1))
)
def test_published_members_lie_at_their_implied_phi(member: int, phi: float) -> None:
    entry = CATALOG[f"efficientnet_b{member}"]
    implied = implied_phi(entry.width, entry.depth, entry.resolution / 224)
    assert round(implied, 2) == phi


@pytest.mark.parametrize("bad", [(0, 1, 1), (1, -1, 1), (1, 1, math.nan), (math.inf, 1, 1)])
def test_implied_phi_wants_positive_multipliers(bad: tuple[float, float, float]) -> None:
    with pytest.raises(InputError, match="positive"):
        implied_phi(*bad)


@pytest.mark.parametrize(
    ("macs", "label"), [(2e6, "2M"), (1.5e6, "1.5M"), (4_000_000_000, "4000M")]
)
def test_macs_are_labelled_in_millions(macs: float, label: str) -> None:
    assert macs_label(macs) == label


@pytest.mark.parametrize(
    ("macs", "text"), [(1000, "0.001M"), (28_179_024, "28.18M"), (72_693_727_940, "72.69G")]
)
def test_macs_in_messages_are_short(macs: float, text: str) -> None:
    assert macs_text(macs) == text


@pytest.mark.parametrize(
    ("phi", "constants", "named"),
    [
        (-5, Constants(1, 1, 1.5), "from 224 to 29.5 pixels; its resolution lies between 32"),
        (8, Constants(1, 1, 1.5), "to 5741 pixels; its resolution lies between 32 .* and 4096"),
        (8, Constants(1, 1.5, 1), "multiplies the width of efficientnet_b0 by 25.6"),
        (5, Constants(2, 1, 1), "multiplies the depth of efficientnet_b0 by 32"),
        (-6, Constants(2, 1, 1), "multiplies the depth of efficientnet_b0 by 0.0156"),
    ],
)
def test_what_is_past_the_sensible_range_says_so(
    b0: ArchSpec, phi: float, constants: Constants, named: str
) -> None:
    with pytest.raises(InputError, match=named):
        scale(b0, phi, constants)
