"""Families by φ and by MACs."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaling.compound import PAPER, Constants, scale
from scaling.family import macs_ladder, parse_phis, phi_ladder
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.resize import Rounding
from search_spaces.spec import ArchSpec


@given(phis=st.lists(st.integers(-8, 12), min_size=1, max_size=5, unique=True))
def test_a_member_costs_what_its_spec_does(phis: list[int]) -> None:
    base = catalog_spec("efficientnet_b0")
    for phi, member in zip(phis, phi_ladder(base, PAPER, [p / 4 for p in phis]), strict=True):
        counted = cost(member.spec)
        assert (member.macs, member.params) == (counted.macs, counted.params)
        assert member.macs_ratio == counted.macs / cost(base).macs
        assert replace(member.spec, dropout=base.dropout) == scale(base, phi / 4, PAPER)
        assert (member.target, member.error, member.is_near) == (None, None, None)


def test_a_members_ratios(b0: ArchSpec) -> None:
    base, member = phi_ladder(b0, PAPER, [0, 2])
    assert (base.macs_ratio, base.nominal_ratio, base.product_ratio) == (1, 1, 1)
    assert (member.nominal_ratio, member.product_ratio) == pytest.approx((4, 1.92027**2))
    assert (member.depth, member.width) == pytest.approx((1.44, 1.21))
    assert member.name == member.spec.name == "efficientnet_b0_phi2"


def test_dropout_grows_as_published_unless_it_is_to_stay(b0: ArchSpec) -> None:
    members = phi_ladder(b0, PAPER, [-1, 0, 1, 7])
    assert [member.spec.dropout for member in members] == [0.1571, 0.2, 0.2429, 0.5]
    assert {member.spec.drop_path for member in members} == {0.2}
    plain = phi_ladder(b0, PAPER, [0, 7], grow=False)
    assert [member.spec.dropout for member in plain] == [0.2, 0.2]
    (by_macs,) = macs_ladder(b0, PAPER, [800_000_000])
    assert by_macs.spec.dropout > 0.2


def test_a_target_that_rounding_forbids_is_said_to_be_missed(small: ArchSpec) -> None:
    target = round(1.3 * cost(small).macs)
    (far,) = macs_ladder(small, PAPER, [target])
    assert far.is_near is False
    # Above φ = 0 every stage has one more block at once, and there is nothing in between.
    assert far.error == abs(far.macs - target) / target > 0.1


def test_a_row_is_flat(b0: ArchSpec) -> None:
    (member,) = phi_ladder(b0, PAPER, [1])
    row = member.as_row()
    assert list(row) == [
        "name", "phi", "depth", "width", "params", "macs", "macs_ratio", "nominal_ratio",
        "product_ratio", "resolution", "target", "error", "is_near",
    ]  # fmt: skip
    assert row["resolution"] == 258


def test_a_member_asked_for_twice_is_refused(b0: ArchSpec) -> None:
    with pytest.raises(InputError, match="efficientnet_b0_phi1 is asked for twice"):
        phi_ladder(b0, PAPER, [1, 1.0])


@pytest.mark.parametrize(
    ("text", "phis"),
    [
        ("0:3", (0, 1, 2, 3)),
        ("0,0.5,1", (0, 0.5, 1)),
        ("2", (2,)),
        ("-1:1", (-1, 0, 1)),
        ("0.5:2.5", (0.5, 1.5, 2.5)),
        ("-1, 0:2", (-1, 0, 1, 2)),
        ("1:1", (1,)),
    ],
)
def test_phis_are_read(text: str, phis: tuple[float, ...]) -> None:
    assert parse_phis(text) == phis


@pytest.mark.parametrize(
    "text",
    ["", "a", "3:0", "0:2.5", "0:1:2", "0,,1", ":", "nan:1", "0:inf", "-inf:0", "nan", "inf"],
)
def test_other_phis_are_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"as in 2 or 0,0\.5,1 or 0:3"):
        parse_phis(text)


def test_too_many_phis_are_refused() -> None:
    with pytest.raises(InputError, match="more than 100"):
        parse_phis("0:1000000000")


def test_targets_are_met_as_near_as_steps_allow(b0: ArchSpec) -> None:
    targets = [100_000_000, 800_000_000, 1_600_000_000]
    members = macs_ladder(b0, PAPER, targets)
    for target, member in zip(targets, members, strict=True):
        assert (member.target, member.error) == (target, abs(member.macs - target) / target)
        assert member.macs == cost(member.spec).macs
        assert abs(member.macs - target) < 0.01 * target
        assert member.spec.name == f"efficientnet_b0_{target // 1_000_000}M"
        assert phi_ladder(b0, PAPER, [member.phi])[0].macs == member.macs
        assert member.is_near


def test_the_bases_own_macs_give_the_base(b0: ArchSpec) -> None:
    (member,) = macs_ladder(b0, PAPER, [cost(b0).macs])
    assert (member.phi, member.error) == (0, 0)


@given(target=st.integers(8_000_000, 40_000_000))
def test_no_phi_nearby_is_nearer(target: int) -> None:
    base = catalog_spec("mobilenetv2@0.5")
    fine = Rounding(divisor=2)
    (member,) = macs_ladder(base, PAPER, [target], rounding=fine)
    for step in range(-20, 21):
        other = scale(base, member.phi + step / 100, PAPER, rounding=fine)
        # φ is looked for in steps of 0.005, which 1/100 is a multiple of.
        assert abs(cost(other).macs - target) >= abs(member.macs - target)


@pytest.mark.parametrize("target", [0, 1000, 10**14])
def test_an_unreachable_target_says_what_can_be_reached(b0: ArchSpec, target: int) -> None:
    with pytest.raises(InputError, match=r"φ from -6 to 8 gives 28\.18M to 72\.69G") as error:
        macs_ladder(b0, PAPER, [target])
    assert "\n" not in str(error.value)


def test_the_range_ends_where_networks_end(b0: ArchSpec) -> None:
    # 224·1.5^8 is past the largest resolution, 224/1.5^6 below the total stride.
    steep = Constants(1.0, 1.0, 1.5)
    with pytest.raises(InputError, match=r"φ from -4\.8\d+ to 7\.\d+ gives"):
        macs_ladder(b0, steep, [10**14])


def test_a_ladder_wants_constants_that_grow(b0: ArchSpec) -> None:
    with pytest.raises(InputError, match=r"alpha is 0\.9"):
        macs_ladder(b0, Constants(0.9, 1.1, 1.1), [400_000_000])


def test_a_target_asked_for_twice_is_refused(b0: ArchSpec) -> None:
    with pytest.raises(InputError, match="efficientnet_b0_800M is asked for twice"):
        macs_ladder(b0, PAPER, [800_000_000, 800_000_000])
