"""The race on made-up surfaces: what it spends, whom it picks, what it says of ties."""

import math
import statistics
from collections.abc import Sequence

import numpy as np
import pytest

from scaling.compound import Constants
from scaling.decision import Training, decide, expected_noise, tied
from scaling.grid import Candidate, GridRange, candidates, distinct, grid_score, spread
from scaling.race import Race, RacePlan, full_work, race, rungs, work
from scaling.surface import Observation, fit_surface, paired_deviation
from search_spaces.errors import InputError, RunError
from search_spaces.spec import ArchSpec

BEST = Constants(1.3, 1.1, 1.1)


class World:
    """Makes up accuracies: a hill over the log constants, seeds that all share, and noise."""

    def __init__(self, found: Sequence[Candidate], *, noise: float, steep: float = 2.0) -> None:
        self.found = tuple(found)
        self.noise, self.steep = noise, steep
        self.calls: list[tuple[int, int, int]] = []

    def truth(self, number: int) -> float:
        """Returns a candidate's score without noise."""
        c = self.found[number].constants
        away = [math.log(getattr(c, n) / getattr(BEST, n)) for n in ("alpha", "beta", "gamma")]
        return 0.6 - self.steep * sum(x * x for x in away)

    def accuracy(self, number: int, epochs: int, seed: int) -> float:
        """Returns what a training comes to; short ones are worse, and noisier."""
        random = np.random.default_rng([number, epochs, seed])
        shared = np.random.default_rng([seed, epochs]).normal(0, 0.02)
        short = 0.6 + 0.4 * epochs / 9
        score = self.truth(number) * short + shared + self.noise * random.normal()
        return score / grid_score(1.0, self.found[number].macs_ratio)

    def evaluate(self, candidate: Candidate, epochs: int, seed: int) -> float:
        number = self.found.index(candidate)
        self.calls.append((number, epochs, seed))
        return self.accuracy(number, epochs, seed)

    def exhaustive(self, plan: RacePlan) -> list[float]:
        """Returns every candidate's mean score over all seeds, trained in full."""
        ratio = [grid_score(1.0, each.macs_ratio) for each in self.found]
        return [
            statistics.fmean(self.accuracy(n, plan.epochs, seed) for seed in range(plan.seeds))
            * ratio[n]
            for n in range(len(self.found))
        ]


@pytest.fixture(scope="module")
def found(b0: ArchSpec) -> tuple[Candidate, ...]:
    return spread(distinct(candidates(b0, GridRange())), 24)


PLAN = RacePlan(epochs=9, seeds=3)


def spent(world: World, result: Race) -> float:
    trained = sum(work(world.found[number], epochs) for number, epochs, _ in world.calls)
    return trained / full_work(world.found, PLAN)


@pytest.mark.parametrize("noise", [0.0005, 0.005, 0.02])
def test_a_third_of_the_training_finds_a_pick_within_the_winners_error(
    found: tuple[Candidate, ...], noise: float
) -> None:
    world = World(found, noise=noise)
    result = race(found, world.evaluate, PLAN)
    assert result.share <= 1 / 3 + 1e-9
    assert result.share == pytest.approx(spent(world, result))
    means = world.exhaustive(PLAN)
    regret = max(means) - means[result.decision.chosen]
    assert regret <= 2 * noise / math.sqrt(PLAN.seeds)
    assert world.truth(result.decision.leader) >= sorted(map(world.truth, range(24)))[-6]


def test_a_race_without_noise_finds_the_best(found: tuple[Candidate, ...]) -> None:
    world = World(found, noise=0.0, steep=4.0)
    result = race(found, world.evaluate, PLAN)
    best = max(range(len(found)), key=world.truth)
    assert result.decision.chosen == best
    assert result.decision.tied == ()
    assert result.decision.chance[best] > 0.95


def test_the_same_race_is_run_again(found: tuple[Candidate, ...]) -> None:
    first, again = World(found, noise=0.01), World(found, noise=0.01)
    one, other = race(found, first.evaluate, PLAN), race(found, again.evaluate, PLAN)
    assert first.calls == again.calls
    assert one.trainings == other.trainings
    assert one.decision.interval == other.decision.interval


def test_every_training_is_made_once_and_seeds_are_paired(found: tuple[Candidate, ...]) -> None:
    world = World(found, noise=0.02)
    result = race(found, world.evaluate, PLAN)
    assert len(set(world.calls)) == len(world.calls) == len(result.trainings)
    assert {number for number, epochs, _ in world.calls if epochs == 3} == set(range(24))
    full = {(number, seed) for number, epochs, seed in world.calls if epochs == 9}
    assert {(number, 0) for number, seed in full if seed} <= full
    assert len(result.decision.finalists) >= 2
    assert {(number, 2) for number in result.decision.finalists} <= full


def test_where_nothing_can_be_told_apart_it_says_so_and_takes_the_cheaper(
    found: tuple[Candidate, ...],
) -> None:
    world = World(found, noise=0.02, steep=0.0)
    decision = race(found, world.evaluate, PLAN).decision
    assert len(decision.tied) > len(found) / 2
    near = [number for number in decision.finalists if number in {*decision.tied, decision.leader}]
    assert found[decision.chosen].macs <= found[decision.leader].macs
    assert decision.chosen in near
    low, high = decision.interval["alpha"]
    assert high - low > 0.3


def test_intervals_hold_the_best_constants(found: tuple[Candidate, ...]) -> None:
    world = World(found, noise=0.003)
    decision = race(found, world.evaluate, PLAN).decision
    best = found[max(range(len(found)), key=world.truth)].constants
    for name, (low, high) in decision.interval.items():
        assert low <= getattr(best, name) <= high


def test_a_grid_of_one_seed_is_raced_by_some_candidates(found: tuple[Candidate, ...]) -> None:
    plan = RacePlan(epochs=3, seeds=1)
    world = World(found, noise=0.005)
    result = race(found, world.evaluate, plan)
    assert result.share <= 1 / 3 + 1e-9
    first = [number for number, epochs, _ in world.calls if epochs == 1]
    assert 2 <= len(first) < len(found)
    assert any(epochs == 3 for _, epochs, _ in world.calls)


def test_a_candidate_that_fails_is_out(found: tuple[Candidate, ...]) -> None:
    world = World(found, noise=0.005)
    lost = race(found, world.evaluate, PLAN).decision.chosen

    def evaluate(candidate: Candidate, epochs: int, seed: int) -> float | None:
        return None if candidate == found[lost] else world.evaluate(candidate, epochs, seed)

    decision = race(found, evaluate, PLAN).decision
    assert lost not in {decision.chosen, decision.leader, *decision.tied, *decision.finalists}
    with pytest.raises(RunError, match="fewer than two trainings"):
        race(found, lambda *_: None, PLAN)


def test_rungs_grow_and_the_first_can_be_paid_for_all() -> None:
    assert rungs(RacePlan(9, 3)) == ((3, 0), (9, 0), (9, 1), (9, 2))
    assert rungs(RacePlan(9, 1)) == ((1, 0), (3, 0), (9, 0))
    assert rungs(RacePlan(1, 2)) == ((1, 0), (1, 1))
    assert rungs(RacePlan(10, 2, reduction=2)) == ((2, 0), (4, 0), (8, 0), (10, 0), (10, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "0 epochs and 3 seeds; both must be at least 1"),
        ({"share": 0.0}, "the share is 0; it is above 0 and at most 1"),
        ({"reduction": 1}, "the reduction is 1; it must be at least 2"),
        ({"level": 0.7}, "the level is 0.7; it lies between 0 and 0.5"),
    ],
)
def test_plans_that_make_no_race(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError) as refused:
        RacePlan(**{"epochs": 9, "seeds": 3, **change})  # type: ignore[arg-type]
    assert message in str(refused.value)


def test_too_little_to_race(found: tuple[Candidate, ...]) -> None:
    world = World(found, noise=0.0)
    with pytest.raises(InputError, match="too little to race; give more candidates"):
        race(found[:3], world.evaluate, RacePlan(epochs=1, seeds=1))
    assert world.calls == []


def test_a_shared_seed_is_no_noise() -> None:
    points = [Constants(1.0 + i / 10, 1.2, 1.2) for i in range(8)]
    seen = [
        Observation(i, 3, seed, 0.5 + 0.1 * seed + 0.01 * i) for i in range(8) for seed in range(3)
    ]
    surface = fit_surface(points, seen)
    assert surface.noise < 0.001
    assert surface.leader == 7
    assert surface.mean == pytest.approx([0.6 + 0.01 * i for i in range(8)], abs=1e-3)
    assert tied(7, surface, seen) == ()


def test_the_paired_deviation_is_that_of_the_noise() -> None:
    random = np.random.default_rng(0)
    table = random.normal(0, 0.01, (200, 3)) + random.normal(0, 1, (200, 1))
    table += random.normal(0, 1, 3)
    assert paired_deviation(table) == pytest.approx(0.01, rel=0.1)
    assert math.isnan(paired_deviation(table[:1]))


def test_the_surface_fills_in_what_was_not_trained() -> None:
    points = [Constants(1.0 + i / 20, 1.2, 1.2) for i in range(21)]
    truth = [0.5 - (i - 10) ** 2 / 1000 for i in range(21)]
    seen = [Observation(i, 3, seed, truth[i]) for i in range(0, 21, 2) for seed in (0, 1)]
    surface = fit_surface(points, seen)
    odd = np.arange(1, 21, 2)
    assert np.abs(surface.mean - truth)[odd].max() < 0.01
    assert surface.deviation[odd].min() > surface.deviation[::2].max()
    assert surface.observed.tolist() == [2 - 2 * (i % 2) for i in range(21)]


def test_the_intervals_cover_as_often_as_they_say() -> None:
    """Of 24 hills seen through noise, the interval of α holds the best of at least 20."""
    points = [Constants(1.0 + i / 20, 1.2, 1.2) for i in range(13)]
    random, held = np.random.default_rng(1), 0
    for _ in range(24):
        top = random.uniform(1.1, 1.5)
        truth = [0.5 - 2 * math.log(point.alpha / top) ** 2 for point in points]
        seen = [
            Observation(i, 3, seed, truth[i] + random.normal(0, 0.01))
            for i in range(13)
            for seed in range(3)
        ]
        low, high = fit_surface(points, seen).intervals()["alpha"]
        held += low <= points[int(np.argmax(truth))].alpha <= high
    assert held >= 20


def test_a_known_noise_keeps_one_seed_from_being_trusted() -> None:
    points = [Constants(1.0 + i / 20, 1.2, 1.2) for i in range(8)]
    random = np.random.default_rng(3)
    trainings = [Training(i, 3, 0, 0.3 + random.normal(0, 0.02)) for i in range(8)]
    noise = expected_noise(trainings, 500)
    assert noise == pytest.approx(math.sqrt(0.3 * 0.7 / 500), rel=0.05)
    seen = [Observation(each.candidate, 3, 0, each.accuracy) for each in trainings]
    surface = fit_surface(points, seen, noise=noise)
    assert surface.noise == pytest.approx(noise, rel=0.5)
    assert expected_noise(trainings, None) is None


def test_two_trainings_are_the_fewest() -> None:
    with pytest.raises(InputError, match="it needs at least 2"):
        fit_surface([BEST], [Observation(0, 1, 0, 0.5)])


def test_a_grid_trained_in_full_is_decided_alike(found: tuple[Candidate, ...]) -> None:
    world = World(found, noise=0.001)
    trainings = [
        Training(n, 9, seed, world.accuracy(n, 9, seed)) for n in range(24) for seed in range(3)
    ]
    decision = decide(found, trainings)
    assert decision.finalists == tuple(range(24))
    means = world.exhaustive(PLAN)
    assert max(means) - means[decision.chosen] < 0.002
    assert sum(decision.chance) == pytest.approx(1)
