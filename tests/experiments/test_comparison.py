from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from experiments import comparison
from experiments.comparison import compare, verdict
from experiments.device import pick_device
from experiments.render_latency import comparison_line
from search_spaces.codec import stages_from_strings
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

CPU = pick_device("cpu")
SPEC = ArchSpec("one", 16, stages_from_strings("ir_r1_k3_s2_e2_c8"), stem_ch=8, head_ch=16)
OTHER = replace(SPEC, name="other")
NOISE = [0.96, 1.05, 0.99, 1.02, 0.97, 1.04, 1.01, 0.98, 1.03, 0.95, 1.0, 1.06]


def test_a_difference_beyond_the_spread_is_told() -> None:
    seconds = [1.0 * noise for noise in NOISE]
    slower = [1.3 * noise for noise in reversed(NOISE)]
    found = verdict(seconds, slower)
    assert found.different
    assert found.ratio == pytest.approx(1.3, rel=0.05)
    assert 1.1 < found.low < found.ratio < found.high < 1.5
    back = verdict(slower, seconds)
    assert back.different
    assert (back.low, back.high) == pytest.approx((1 / found.high, 1 / found.low))


def test_a_difference_within_the_spread_is_not_told() -> None:
    slower = [1.01 * noise for noise in reversed(NOISE)]
    found = verdict(NOISE, slower)
    assert found.low < 1 < found.high
    assert not found.different


def test_noise_that_both_share_does_not_hide_a_difference() -> None:
    shared = [1.0, 5.0, 2.0, 9.0, 1.5, 3.0, 7.0, 1.2, 4.0, 2.5, 8.0, 6.0]
    found = verdict(shared, [1.05 * seconds for seconds in shared])
    assert found.different
    assert (found.low, found.high) == pytest.approx((1.05, 1.05))


@pytest.mark.parametrize(("n", "different"), [(1, False), (7, False), (8, True), (12, True)])
def test_too_few_pairs_never_make_a_difference(n: int, different: bool) -> None:
    assert verdict([1.0] * n, [3.0] * n).different is different


@pytest.mark.parametrize(("strays", "different"), [(1, True), (2, False)])
def test_the_interval_is_the_sign_tests(strays: int, different: bool) -> None:
    found = verdict([1.0] * 12, [0.5] * strays + [1.5] * (12 - strays))
    assert found.different is different  # P(at most 1 of 12) is 0.3% a side, of 2 1.9%


def test_equal_networks_are_called_different_as_seldom_as_promised() -> None:
    rng = np.random.default_rng(0)
    draws = rng.lognormal(0, 0.1, size=(2000, 2, 12))
    wrong = sum(verdict(list(a), list(b)).different for a, b in draws)
    assert wrong / len(draws) <= 0.015


@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([1.0], [1.0, 2.0]), ([0.0], [1.0]), ([1.0], [float("nan")])]
)
def test_what_is_no_pairs_is_refused(first: list[float], second: list[float]) -> None:
    with pytest.raises(InputError, match="as many seconds of one network as of the other"):
        verdict(first, second)


def fake_times(monkeypatch: pytest.MonkeyPatch, seconds: Callable[[ArchSpec, int], float]) -> None:
    """Lets each network take what `seconds` says of its spec and of how many were built before."""
    built: list[ArchSpec] = []

    def prepare(spec: ArchSpec, **_: object) -> tuple[ArchSpec, int]:
        built.append(spec)
        return spec, len(built) - 1

    monkeypatch.setattr(comparison, "prepare", prepare)
    monkeypatch.setattr(comparison, "warm_up", lambda *_, **__: 1)
    monkeypatch.setattr(comparison, "run_time", lambda run, _: seconds(*run))


def test_networks_are_timed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_times(monkeypatch, lambda spec, _: 1.0 if spec.name == "one" else 1.5)
    found = compare(SPEC, OTHER, device=CPU, seconds=1e-6)
    assert (found.ratio, found.low, found.high, found.n) == (1.5, 1.5, 1.5, 12)
    assert found.different


def test_being_built_first_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_times(monkeypatch, lambda _, place: 1.05 if place % 2 == 0 else 1.0)
    assert not compare(SPEC, OTHER, device=CPU, seconds=1e-6).different


def test_a_network_is_about_as_fast_as_itself() -> None:
    found = compare(SPEC, SPEC, device=CPU, seconds=0.3)
    assert found.low <= found.ratio <= found.high
    assert found.low < 1.5
    assert found.high > 1 / 1.5


def test_the_verdict_in_words() -> None:
    told = {"ratio": 1.31, "low": 1.24, "high": 1.38, "different": True, "n": 12}
    assert comparison_line(told, "a", "b") == "a is 1.310× as fast as b (1.240–1.380, n 12)"
    back = {"ratio": 0.8, "low": 0.5, "high": 0.9, "different": True, "n": 12}
    assert comparison_line(back, "a", "b") == "b is 1.250× as fast as a (1.111–2.000, n 12)"
    equal = {"ratio": 1.01, "low": 0.9, "high": 1.1, "different": False, "n": 12}
    assert "a and b cannot be told apart" in comparison_line(equal, "a", "b")
    assert "between 0.900 and 1.100, which covers 1" in comparison_line(equal, "a", "b")
