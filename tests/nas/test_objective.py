import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.objective import EXPONENT, OBJECTIVES, Objective, mnasnet_hard, mnasnet_soft
from search_spaces.errors import InputError


def test_soft_reward_against_values_worked_out_by_hand() -> None:
    assert mnasnet_soft(0.8, 2e6, 2e6) == pytest.approx(0.8)
    assert mnasnet_soft(0.8, 4e6, 2e6) == pytest.approx(0.8 * 0.952638)  # 2^-0.07
    assert mnasnet_soft(0.8, 1e6, 2e6) == pytest.approx(0.8 * 1.049717)  # 2^0.07
    assert mnasnet_soft(0.5, 8e6, 2e6, -0.5) == pytest.approx(0.25)


def test_hard_reward_against_values_worked_out_by_hand() -> None:
    assert mnasnet_hard(0.8, 1e6, 2e6) == 0.8
    assert mnasnet_hard(0.8, 2e6, 2e6) == 0.8
    assert mnasnet_hard(0.8, 4e6, 2e6) == pytest.approx(0.4)
    assert mnasnet_hard(0.8, 8e6, 2e6, -0.5) == pytest.approx(0.4)


def test_published_exponents_apply_where_none_is_given() -> None:
    assert EXPONENT == -0.07
    assert Objective("soft", 2e6).resolved_exponent == -0.07
    assert Objective("hard", 2e6).resolved_exponent == -1.0
    assert Objective("soft", 2e6)(0.8, 4e6) == pytest.approx(0.8 * 2**-0.07)
    assert Objective("hard", 2e6)(0.8, 4e6) == pytest.approx(0.4)
    assert Objective("hard", 2e6, -2)(0.8, 4e6) == pytest.approx(0.2)
    assert Objective("soft", 2e6, 0)(0.8, 4e6) == 0.8


@given(
    name=st.sampled_from(sorted(OBJECTIVES)),
    accuracy=st.floats(0.01, 1),
    macs=st.integers(1, 10**10),
    more=st.integers(1, 10**10),
)
def test_reward_never_rises_with_cost_and_rises_with_accuracy(
    name: str, accuracy: float, macs: int, more: int
) -> None:
    objective = Objective(name, 2e6)
    assert objective(accuracy, macs + more) <= objective(accuracy, macs)
    assert objective(accuracy, macs) > objective(accuracy / 2, macs)
    assert isinstance(objective(accuracy, macs), float)


@pytest.mark.parametrize(
    ("name", "target", "exponent", "message"),
    [
        ("sofft", 2e6, None, "did you mean 'soft'"),
        ("zzz", 2e6, None, "they are soft, hard"),
        ("soft", 0, None, "target MACs is 0; it must be positive"),
        ("soft", -1, None, "must be positive"),
        ("soft", math.nan, None, "must be positive"),
        ("soft", 2e6, 0.07, "exponent is 0.07; it must lie between -10 and 0"),
        ("soft", 2e6, -11, "must lie between"),
        ("soft", 2e6, math.nan, "must lie between"),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(
    name: str, target: float, exponent: float | None, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Objective(name, target, exponent)
