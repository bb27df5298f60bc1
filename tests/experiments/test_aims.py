from pathlib import Path
from typing import Any

import pytest

from experiments.aim_texts import aim_text, formula_text
from experiments.aims import Aim, amount_text, parse_amount, read_aim
from experiments.config import SearchConfig
from search_spaces.errors import InputError

OWN = "def reward(accuracy, costs):\n    return accuracy - costs['params'] / 1e9\n"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts a module of the user's own into the current folder."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my_rewards.py"
    path.write_text(OWN)
    return path


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ({"target_macs": "2M"}, Aim(2e6)),
        ({"target": "2M"}, Aim(2e6)),
        ({"target": "2M", "cost": "macs", "objective": "hard"}, Aim(2e6, objective="hard")),
        (
            {"target": "5ms", "cost": "latency", "exponent": -0.1},
            Aim(0.005, "latency", exponent=-0.1, front_cost="latency"),
        ),
        (
            {"target": "2GiB", "cost": "train-memory", "front_cost": "macs"},
            Aim(2 * 2**30, "train_memory"),
        ),
        (
            {"target": "50ms", "objective": "v2"},
            Aim(0.05, "step_time", "v2", front_cost="step_time"),
        ),
        (
            {"target_macs": "2M", "at_most": ["latency=5ms", "params=3M", "Train-Memory=512MB"]},
            Aim(2e6, limits={"latency": 0.005, "params": 3e6, "train_memory": 512e6}),
        ),
    ],
)
def test_what_a_command_says_is_read(words: dict[str, Any], wanted: Aim) -> None:
    assert read_aim(**words) == wanted


def test_a_reward_of_the_users_own_is_imported(mine: Path) -> None:
    aim = read_aim(objective="my_rewards:reward", cost="latency")
    assert (aim.target, aim.cost, aim.front_cost) == (None, "latency", "latency")
    assert aim.reward().reward(0.75, {"params": 1e9}) == -0.25
    assert len(aim.plugin_digest) == 12


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({}, "Missing option '--target-macs'"),
        ({"cost": "latency"}, "Missing option '--target-macs'"),
        ({"objective": "v2"}, "Missing option '--target': objective v2"),
        ({"objective": "v2", "target_macs": "2M"}, "--cost step_time --target AMOUNT"),
        ({"target_macs": "2M", "target": "2M"}, "--target-macs is a target of MACs"),
        ({"target_macs": "2M", "cost": "latency"}, "for latency give --cost latency --target"),
        ({"target": "5 apples", "cost": "latency"}, "write it as 90s, 30m or 2h"),
        ({"target": "5 apples", "cost": "train_memory"}, "write it as 512MiB or 2GiB"),
        ({"target_macs": "2M", "cost": "flops"}, "no cost is called 'flops'"),
        ({"target_macs": "2M", "front_cost": "parms"}, "did you mean 'params'"),
        ({"target_macs": "2M", "at_most": ["latency"]}, "write it as latency=5ms"),
        ({"target_macs": "2M", "at_most": ["latncy=1"]}, "did you mean 'latency'"),
        ({"target_macs": "2M", "at_most": ["params=x"]}, "--at-most params 'x' cannot be read"),
        ({"target_macs": "2M", "at_most": ["params=1", "params=2"]}, "is given twice"),
        ({"objective": "my_rewards:reward", "target_macs": "2M"}, "has no target; leave"),
        ({"objective": "my_rewards:rewrd"}, "has no function 'rewrd'; did you mean reward?"),
        ({"objective": "my_rewards:OWN"}, "has no function 'OWN'"),
        ({"objective": "your_rewards:reward"}, "there is no module 'your_rewards'"),
        ({"objective": "my rewards:reward"}, "write it as module:function"),
        ({"objective": "a:b:c"}, "write it as module:function"),
        ({"objective": ":c"}, "write it as module:function"),
    ],
)
def test_what_makes_no_sense_is_refused(mine: Path, words: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        read_aim(**words)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import nowhere_to_be_found", "there is no module 'nowhere_to_be_found'"),
        ("1 / 0", "importing broken_rewards failed: ZeroDivisionError: division by zero"),
        ("def reward(:", "importing broken_rewards failed: SyntaxError"),
        ("raise SystemExit(3)", "importing broken_rewards failed: SystemExit: 3"),
    ],
)
def test_a_module_that_cannot_be_imported_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken_rewards.py").write_text(source)
    with pytest.raises(InputError) as refused:
        read_aim(objective="broken_rewards:reward")
    assert message in str(refused.value)


@pytest.mark.parametrize("cost", ["latency", "step_time", "train_memory", "params", "macs"])
@pytest.mark.parametrize("value", [0.00125, 1.5, 3 * 2**20, 2.25 * 2**30])
def test_amounts_can_be_read_again(cost: str, value: float) -> None:
    text = amount_text(cost, value)
    assert parse_amount(cost, text, what="") == pytest.approx(value, rel=0.01, abs=1e4)


def test_an_aim_is_put_in_words() -> None:
    base: dict[str, Any] = {"space": "mixed", "resolution": 16, "trials": 1, "epochs": 1}
    macs = SearchConfig(**base, target=2e6, exponent=-0.07, limits={"latency": 0.005})
    assert aim_text(macs) == "a target of 2M MACs, at most 5ms latency"
    assert formula_text(macs) == "accuracy·(MACs/target)^-0.07 (soft)"
    v2 = SearchConfig(**base, target=0.05, cost="step_time", objective="v2", exponent=-0.07)
    assert aim_text(v2) == "a target of 50ms step time"
    assert formula_text(v2) == "accuracy·(step time/target)^-0.07·params^-0.05 (v2)"
    own = SearchConfig(**base, objective="mine:reward")
    assert aim_text(own) == "the objective mine:reward"
    assert formula_text(own) == "the user's own mine:reward"
