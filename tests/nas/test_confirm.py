from dataclasses import replace

import pytest

from nas.confirmation import confirm
from nas.evaluation import Evaluation
from nas.search import derive_seed
from search_spaces.codec import fingerprint
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec
from tests.nas.fakes import OBJECTIVE, Fake, evaluated, new_study, run_search, tiny_space


class Scores:
    """Gives each network accuracies in the order of its calls."""

    def __init__(self, by_name: dict[str, list[float]]) -> None:
        self.by_name, self.seeds = by_name, list[int]()

    def __call__(self, spec: ArchSpec, *, seed: int) -> Evaluation:
        self.seeds.append(seed)
        return Evaluation(self.by_name[fingerprint(spec)].pop(0), int(2e6), 1, 0.0, seed)


def test_the_best_of_the_search_is_dropped_where_its_luck_does_not_hold() -> None:
    trials = run_search(new_study(), Fake(), trials=8)
    best = sorted(evaluated(trials), key=lambda t: -(t.reward or 0))[:3]
    first, second, third = (t.fingerprint for t in best)
    scores = Scores({first: [0.1, 0.3], second: [0.8, 0.8], third: [0.9, 0.5]})
    confirmed = confirm(trials, scores, OBJECTIVE, count=3, repeats=2, seed=7)
    assert [c.record.fingerprint for c in confirmed] == [second, third, first]
    assert [c.mean_reward for c in confirmed] == pytest.approx([0.8, 0.7, 0.2])
    assert all(len(c.evaluations) == 3 for c in confirmed)
    assert confirmed[0].evaluations[0] == best[1].evaluation
    wanted = [derive_seed(7, "confirm", name, i) for name in (first, second, third) for i in (0, 1)]
    assert scores.seeds == wanted
    assert len(set(wanted)) == 6


def test_without_repeats_the_search_itself_decides() -> None:
    trials = run_search(new_study(), Fake(), trials=5)
    fake = Fake()
    (confirmed,) = confirm(trials, fake, OBJECTIVE, count=1, repeats=0)
    assert fake.calls == 0
    assert confirmed.record.reward == max(t.reward for t in evaluated(trials) if t.reward)
    assert confirmed.mean_reward == pytest.approx(confirmed.record.reward)


def test_duplicates_and_failures_are_not_confirmed() -> None:
    trials = run_search(new_study(), Fake(fail=frozenset({0})), space=tiny_space(), trials=10)
    confirmed = confirm(trials, Fake(), OBJECTIVE, count=50, repeats=1)
    assert len(confirmed) == 2
    assert len({c.record.fingerprint for c in confirmed}) == 2


def test_of_equal_rewards_the_earlier_trial_comes_first() -> None:
    trials = [replace(t, reward=0.5) for t in run_search(new_study(), Fake(), trials=4)]
    confirmed = confirm(trials, Fake(), OBJECTIVE, count=2, repeats=0)
    assert [c.record.number for c in confirmed] == [0, 1]


def test_a_network_that_cannot_be_trained_again_is_left_out() -> None:
    trials = run_search(new_study(), Fake(), trials=6)
    best, second = sorted(evaluated(trials), key=lambda t: -(t.reward or 0))[:2]

    def diverges(spec: ArchSpec, *, seed: int) -> Evaluation:
        if fingerprint(spec) == best.fingerprint:
            raise RunError("the loss is nan")
        return Fake()(spec, seed=seed)

    confirmed = confirm(trials, diverges, OBJECTIVE, count=2, repeats=1)
    assert [c.record.fingerprint for c in confirmed] == [second.fingerprint]
    with pytest.raises(RunError, match="none of the best networks could be trained again"):
        confirm(trials, diverges, OBJECTIVE, count=1, repeats=1)
