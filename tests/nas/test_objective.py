import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas.objective import (
    EXPONENT,
    OBJECTIVES,
    Objective,
    efficientnetv2,
    mnasnet_hard,
    mnasnet_soft,
)
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


def test_v2_reward_against_values_worked_out_by_hand() -> None:
    assert efficientnetv2(0.8, 0.05, 1, 0.05) == pytest.approx(0.8)
    assert efficientnetv2(0.8, 0.1, 1, 0.05) == pytest.approx(0.8 * 0.952638)  # 2^-0.07
    assert efficientnetv2(0.8, 0.05, 1e6, 0.05) == pytest.approx(0.8 * 0.501187)  # 10^-0.3
    assert efficientnetv2(0.8, 0.1, 4, 0.05, -1, -0.5) == pytest.approx(0.2)
    v2 = Objective("v2", 0.05, cost="step_time")
    costs = {"step_time": 0.1, "params": 1e6, "macs": 3}
    wanted = 0.8 * 2**-0.07 * 1e6**-0.05
    assert v2.reward(0.8, costs) == v2(0.8, 0.1, 1e6) == pytest.approx(wanted)


def test_any_cost_can_be_weighed() -> None:
    costs = {"macs": 4e6, "params": 1e6, "latency": 0.002}
    assert Objective("soft", 2e6).reward(0.8, costs) == mnasnet_soft(0.8, 4e6, 2e6)
    assert Objective("soft", 1e6, cost="params").reward(0.8, costs) == 0.8
    hard = Objective("hard", 0.001, cost="latency")
    assert hard.reward(0.8, costs) == pytest.approx(0.4)
    assert hard.weighs == ("latency",)
    with pytest.raises(InputError, match="no target of MACs"):
        _ = hard.target_macs


@pytest.mark.parametrize(
    "objective",
    [
        Objective("soft", 2e6),
        Objective("hard", 2e6, -0.5, "params"),
        Objective("v2", 0.02, cost="step_time"),
    ],
    ids=lambda objective: str(objective.name),
)
def test_factors_are_rewards_over_accuracy(objective: Objective) -> None:
    rng = np.random.default_rng(0)
    costs = [rng.uniform(0.01, 4e6, size=20) for _ in objective.weighs]
    wanted = [objective(0.5, *row) / 0.5 for row in np.stack(costs, axis=1).tolist()]
    assert objective.factors(*costs) == pytest.approx(np.array(wanted))


def own(accuracy: float, costs: Mapping[str, float]) -> float:
    return accuracy - costs["latency"]


def test_a_users_own_reward_is_asked_with_accuracy_and_costs() -> None:
    objective = Objective("mine:own", plugin=own)
    assert objective.reward(0.75, {"latency": 0.25}) == 0.5
    assert objective.weighs == ()
    with pytest.raises(InputError, match="no product of accuracy and a factor"):
        objective.factors(np.ones(3))


def test_a_users_own_reward_cannot_change_the_costs() -> None:
    def greedy(accuracy: float, costs: Mapping[str, float]) -> float:
        costs["macs"] = 0  # type: ignore[index]
        return accuracy

    with pytest.raises(InputError, match=r"mine:greedy failed at accuracy 0\.5: TypeError"):
        Objective("mine:greedy", plugin=greedy).reward(0.5, {"macs": 1})


@pytest.mark.parametrize("value", [None, "high", math.nan, math.inf, True, 1j, [0.5]])
def test_a_users_own_reward_must_be_a_finite_number(value: Any) -> None:
    objective = Objective("mine:bad", plugin=lambda accuracy, costs: value)
    with pytest.raises(InputError, match=r"mine:bad returned .* must return a finite number"):
        objective.reward(0.5, {})


@pytest.mark.parametrize("make", [np.float32, np.float64, int, np.int64])
def test_every_kind_of_number_is_a_reward(make: Callable[[int], Any]) -> None:
    reward = Objective("mine:fine", plugin=lambda accuracy, costs: make(1)).reward(0.5, {})
    assert type(reward) is float
    assert reward == 1


def test_a_number_that_is_none_of_pythons_real_ones_is_refused() -> None:
    objective = Objective("mine:exact", plugin=lambda *_: Decimal(1))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="must return a finite number"):
        objective.reward(0.5, {})


def test_published_exponents_apply_where_none_is_given() -> None:
    assert EXPONENT == -0.07
    assert Objective("soft", 2e6).resolved_exponent == -0.07
    assert Objective("hard", 2e6).resolved_exponent == -1.0
    assert Objective("soft", 2e6)(0.8, 4e6) == pytest.approx(0.8 * 2**-0.07)
    assert Objective("hard", 2e6)(0.8, 4e6) == pytest.approx(0.4)
    assert Objective("hard", 2e6, -2)(0.8, 4e6) == pytest.approx(0.2)
    assert Objective("soft", 2e6, 0)(0.8, 4e6) == 0.8


@given(
    name=st.sampled_from(["soft", "hard"]),
    accuracy=st.floats(0.01, 1),
    macs=st.integers(1, 10**10),
    more=st.integers(1, 10**10),
)
def test_reward_never_rises_with_cost_and_rises_with_accuracy(
    name: str, accuracy: float, macs: int, more: int
) -> None:
    assert set(OBJECTIVES) == {"soft", "hard", "v2"}
    objective = Objective(name, 2e6)
    assert objective(accuracy, macs + more) <= objective(accuracy, macs)
    assert objective(accuracy, macs) > objective(accuracy / 2, macs)
    assert isinstance(objective(accuracy, macs), float)


@pytest.mark.parametrize(
    ("name", "target", "exponent", "message"),
    [
        ("sofft", 2e6, None, "did you mean 'soft'"),
        ("zzz", 2e6, None, "they are soft, hard, v2, front, or module:function"),
        ("soft", 0, None, "target macs is 0; it must be positive"),
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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Objective("soft"), "target macs is None; it must be positive"),
        (lambda: Objective("soft", 1, cost="lattency"), "did you mean 'latency'"),
        (lambda: Objective("v2", 0.1), "weighs the training-step time, not macs"),
        (lambda: Objective("mine:own"), "mine:own is not imported; ask for it with --objective"),
        (lambda: Objective("mine:own", exponent=-1, plugin=own), "leave --exponent out"),
    ],
)
def test_an_objective_that_lacks_something_is_refused(
    make: Callable[[], Objective], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        make()
