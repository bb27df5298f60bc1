import math

import pytest

from experiments.recipes import load_recipe
from experiments.training.schedule import learning_rate, warmup_steps


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine() -> None:
    recipe = load_recipe("fast", {"lr": 1.0, "warmup": 0.2})
    rates = [learning_rate(step, 100, recipe) for step in range(100)]
    assert rates[:3] == pytest.approx([1 / 21, 2 / 21, 3 / 21])
    assert rates[20] == max(rates) == 1.0
    assert rates[60] == pytest.approx(0.5)
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert 0 < rates[99] < 0.001
    flat = load_recipe("fast", {"lr": 1.0, "warmup": 0.0})
    assert learning_rate(0, 10, flat) == 1.0
    rising = load_recipe("fast", {"lr": 1.0, "warmup": 1.0})
    assert [learning_rate(s, 3, rising) for s in range(3)] == pytest.approx([0.25, 0.5, 0.75])


def test_the_cosine_is_the_one_that_published_numbers_were_made_with() -> None:
    recipe = load_recipe("fast", {"lr": 0.2, "warmup": 0.25})
    for step in (10, 17, 39):
        wanted = 0.2 * 0.5 * (1 + math.cos(math.pi * (step - 10) / 30))
        assert learning_rate(step, 40, recipe) == wanted


def test_efficientnets_staircase_against_hand_values() -> None:
    recipe = load_recipe("efficientnet")  # 350 epochs; here of 10 steps
    steps = 3500
    assert learning_rate(0, steps, recipe) == pytest.approx(0.016 * 1 / 51)
    assert learning_rate(49, steps, recipe) == pytest.approx(0.016 * 50 / 51)
    assert learning_rate(50, steps, recipe) == pytest.approx(
        0.016 * 0.97**2
    )  # 5 epochs are past 4.8
    assert learning_rate(71, steps, recipe) == pytest.approx(0.016 * 0.97**2)
    assert learning_rate(72, steps, recipe) == pytest.approx(0.016 * 0.97**3)  # 7.2 epochs
    assert learning_rate(3499, steps, recipe) == pytest.approx(0.016 * 0.97**145)


def test_every_whole_period_ends_on_its_step() -> None:
    recipe = load_recipe("efficientnet", {"epochs": 48, "warmup_epochs": 0})
    for per_epoch in (5, 10, 35, 195):  # 2.4 epochs are a whole number of steps
        period = round(2.4 * per_epoch)
        for count in range(1, 20):
            rates = [learning_rate(count * period + d, 48 * per_epoch, recipe) for d in (-1, 0)]
            assert rates == pytest.approx([0.016 * 0.97 ** (count - 1), 0.016 * 0.97**count])


def test_linear_and_constant() -> None:
    linear = load_recipe("fast", {"lr": 1.0, "warmup": 0.0, "schedule": "linear"})
    assert [learning_rate(s, 4, linear) for s in range(4)] == [1.0, 0.75, 0.5, 0.25]
    constant = load_recipe("fast", {"lr": 0.3, "warmup": 0.25, "schedule": "constant"})
    assert [learning_rate(s, 8, constant) for s in range(8)] == pytest.approx(
        [0.1, 0.2] + [0.3] * 6
    )


def test_the_peak_goes_with_the_batch() -> None:
    recipe = load_recipe("efficientnet", {"warmup_epochs": 0, "batch_size": 64})
    assert learning_rate(0, 350, recipe) == 0.004
    assert learning_rate(0, 350, recipe, batch_size=1024) == pytest.approx(0.064)
    fast = load_recipe("fast", {"lr": 0.2, "warmup": 0.0, "batch_size": 96})
    assert learning_rate(0, 10, fast) == 0.2, "without lr_batch, lr is the peak of any batch"
    assert learning_rate(0, 10, fast, batch_size=192) == 0.4, "but a larger stage is in proportion"


def test_a_short_training_warms_up_for_half_of_it_at_most() -> None:
    recipe = load_recipe("efficientnet", {"epochs": 4})
    assert warmup_steps(80, recipe) == 40
    assert warmup_steps(3500, load_recipe("efficientnet")) == pytest.approx(50)
