"""Regularisation that grows with φ."""

import math

import pytest

from scaling.growth import Regularisation, grown
from search_spaces.errors import InputError

B0 = Regularisation(0.2, 0.2)
S = Regularisation(0.3, 0.2, 15, 0.0)


def test_dropout_goes_from_b0_to_b7_as_published() -> None:
    assert grown(B0, 0) == B0
    assert grown(B0, 7) == Regularisation(0.5, 0.2)
    assert grown(B0, 3.5).dropout == pytest.approx(0.35)
    assert grown(B0, 20).dropout == 0.5


def test_augmentation_goes_from_s_to_l_as_published() -> None:
    large = grown(S, math.log2(56.3 / 8.4))
    assert large.magnitude == pytest.approx(25)
    assert large.mixup == pytest.approx(0.4)
    # M's own figures are 20 and 0.2, at 24.7 of 8.4 billion MACs.
    medium = grown(S, math.log2(24.7 / 8.4))
    assert medium.magnitude == pytest.approx(20, abs=1)
    assert medium.mixup == pytest.approx(0.2, abs=0.04)


def test_smaller_members_have_less_but_nothing_below_what_was_published() -> None:
    small = grown(S, -10)
    assert (small.dropout, small.magnitude, small.mixup) == (0.0, 5, 0.0)
    assert grown(B0, -1).dropout < 0.2


def test_a_base_beyond_the_published_values_keeps_its_own() -> None:
    strong = Regularisation(0.7, 0.5, 28, 1.0)
    assert grown(strong, 3) == strong
    weak = Regularisation(0.0, 0.0, 2, 0.0)
    assert grown(weak, -3) == weak


def test_without_randaugment_there_is_nothing_to_grow() -> None:
    member = grown(B0, 2)
    assert member.as_dict() == {
        "dropout": 0.2857, "drop_path": 0.2, "magnitude": None, "mixup": None
    }  # fmt: skip


@pytest.mark.parametrize("phi", [math.nan, math.inf])
def test_phi_must_be_finite(phi: float) -> None:
    with pytest.raises(InputError, match="must be a finite number"):
        grown(B0, phi)
