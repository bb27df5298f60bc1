"""Kendall's τ and its interval, held to scipy's and to what is known."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from experiments.ranks import agreement, difference, kendall


def noisy(count: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=count)
    return truth, truth + noise * rng.normal(size=count)


def test_kendall_is_scipys_with_ties_too() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, 5, 12), rng.integers(0, 5, 12)
        assert kendall(first, second) == pytest.approx(kendalltau(first, second).statistic)


def test_kendall_at_its_ends() -> None:
    series = np.array([-np.inf, 1.0, 2.0, 3.0])
    assert kendall(series, series) == 1.0
    assert kendall(series, -series) == -1.0
    assert kendall(series, np.zeros(4)) is None


def test_an_interval_holds_the_tau_and_shrinks_with_more_networks() -> None:
    few, many = agreement([noisy(20, 1.0)]), agreement([noisy(400, 1.0)])
    for found in (few, many):
        assert found.low is not None
        assert found.tau is not None
        assert found.high is not None
        assert found.low < found.tau < found.high
    assert few.low is not None
    assert few.high is not None
    assert many.low is not None
    assert many.high is not None
    assert many.high - many.low < 0.4 * (few.high - few.low)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    truth = 0.5  # of a bivariate normal: τ = 2/π·asin(ρ), ρ = 1/√2
    held = 0
    for seed in range(50):
        found = agreement([noisy(40, 1.0, seed)])
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert 42 <= held <= 50


def test_several_pairs_are_averaged() -> None:
    pairs = [noisy(30, 0.5, seed) for seed in range(3)]
    taus = [kendall(*pair) for pair in pairs]
    assert agreement(pairs).tau == pytest.approx(np.mean(taus))  # type: ignore[arg-type]


def test_too_few_networks_have_no_interval() -> None:
    found = agreement([noisy(7, 0.1)])
    assert (found.low, found.high, found.n) == (None, None, 7)
    assert found.tau is not None
    assert agreement([(np.zeros(20), np.arange(20.0))]).tau is None


def test_a_difference_is_surer_than_two_intervals() -> None:
    truth, good = noisy(100, 0.3)
    worse = good + 0.4 * np.random.default_rng(1).normal(size=100)
    ahead = difference([(good, truth)], [(worse, truth)])
    assert ahead.tau == pytest.approx(kendall(good, truth) - kendall(worse, truth))  # type: ignore[operator]
    assert ahead.low is not None
    assert ahead.low > 0
    one, other = agreement([(good, truth)]), agreement([(worse, truth)])
    assert one.low is not None
    assert other.high is not None
    assert ahead.high is not None
    assert one.high is not None
    assert other.low is not None
    widths = one.high - one.low, other.high - other.low
    assert ahead.high - ahead.low < max(widths)
    same = difference([(good, truth)], [(good, truth)])
    assert (same.tau, same.low, same.high) == (0.0, 0.0, 0.0)
