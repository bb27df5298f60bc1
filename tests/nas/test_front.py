"""The search for a Pareto front: its measure, its sampler, its study."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState

from nas.costs import Costing
from nas.front import Front, base_reward
from nas.objective import Direction
from nas.pareto import Span, contributions, hypervolume
from nas.samplers import FRONT_SAMPLERS, expected_values, sampler_factory
from nas.samplers.front import FrontSampler, Staircase
from nas.samplers.known import Known, known_networks
from nas.search import Budget, SamplerFactory, TrialRecord, give_up_running, records, search
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from tests.nas.fakes import Fake, evaluated, story, tiny_space, wide_space

SPACE = MEASURED["nas_bench_macro"].make()
FRONT = Front(Span(*map(float, SPACE.macs_range)), base_reward(None, None, "macs"))
KNOWN = known_networks(FRONT, Costing(SPACE))
CHOICES = {choice.name: CategoricalDistribution(choice.options) for choice in SPACE.choices}
Point = tuple[float, float]


def itself(point: Point) -> Point:
    return point


def new_study(**options: Any) -> optuna.Study:
    return optuna.create_study(directions=FRONT.directions, **options)


def mixed_front() -> Front:
    return Front(Span(*map(float, wide_space().macs_range)), base_reward(None, None, "macs"))


def fronted(
    fake: Fake,
    *,
    trials: int = 8,
    study: optuna.Study | None = None,
    costing: Costing | None = None,
    sampler: SamplerFactory | None = None,
) -> list[TrialRecord]:
    costing = costing or Costing(wide_space())
    return search(
        study or new_study(),
        costing.space,
        fake,
        mixed_front(),
        sampler=sampler or sampler_factory("random"),
        budget=Budget(trials),
        costing=costing,
    )


def test_a_hypervolume_is_the_best_accuracy_for_each_budget_on_average() -> None:
    front = Front(Span(1e6, 16e6), base_reward(None, None, "macs"))
    points = [(0.5, 2e6), (0.7, 8e6), (0.4, 4e6), (0.9, 16e6)]  # steps at 1/4 and 3/4 of the span
    assert front.hypervolume(points, itself) == pytest.approx(0.5 * 0.5 + 0.7 * 0.25)
    assert front.of(points, itself) == [(0.5, 2e6), (0.7, 8e6), (0.9, 16e6)]
    cheaper = [(0.5, 1e5), (0.9, 1e9)]  # what is cheaper than the span counts as its cheapest
    assert front.hypervolume(cheaper, itself) == pytest.approx(0.5)
    assert front.hypervolumes(points, itself)[-1] == pytest.approx(0.425)
    assert front.contributions(points[:2], itself) == pytest.approx([0.25, 0.05])
    for low, high in ((0.0, 1e6), (2e6, 1e6), (1e6, 1e6)):
        with pytest.raises(InputError, match="are no range"):
            Span(low, high)


def test_a_contribution_is_what_would_be_lost() -> None:
    axes: dict[str, Any] = {"gain": lambda p: p[0], "cost": lambda p: p[1]}
    axes |= {"least_gain": 0.1, "most_cost": 9.0}
    front = [(0.05, 0.0), (0.2, 1.0), (0.5, 3.0), (0.6, 8.0), (0.9, 12.0)]
    found = contributions(front, **axes)
    whole = hypervolume(front, **axes)
    for i, share in enumerate(found):
        rest = [*front[:i], *front[i + 1 :]]
        assert share == pytest.approx(whole - hypervolume(rest, **axes))


def test_the_base_is_the_knee_or_the_best_that_a_target_allows() -> None:
    knee = base_reward(None, None, "macs", scale=16e6)
    # from 2M to 4M MACs accuracy grows by 25%, from 4M to 16M by 4%
    rewards = [knee(a, m) for a, m in ((0.6, 2e6), (0.75, 4e6), (0.78, 16e6))]
    assert rewards.index(max(rewards)) == 1
    other = base_reward(None, None, "macs")
    assert np.argmax([other(0.6, 2e6), other(0.75, 4e6), other(0.78, 16e6)]) == 1
    bounded = base_reward(3e6, None, "macs")
    assert bounded(0.6, 2e6) > bounded(0.75, 4e6)


def sampled_gain(stairs: Staircase, place: float, mean: float, deviation: float) -> float:
    """Counts the hypervolume that a network adds, on average over drawn accuracies."""
    rng = np.random.default_rng(0)
    drawn = mean + deviation * rng.normal(size=200_000)
    widths = stairs.widths(np.array([place]))[0]
    return float((np.maximum(drawn[:, None] - stairs.levels, 0) * widths).sum(1).mean())


def test_the_expected_gain_is_that_of_drawn_accuracies() -> None:
    stairs = Staircase(np.array([0.2, 0.6, 0.4, 0.8]), np.array([0.5, 0.8, 0.45, 0.85]))
    assert stairs.levels.tolist() == [0, 0.5, 0.8, 0.85]
    assert stairs.widths(np.array([0.0, 0.5, 1.0])) == pytest.approx(
        np.array([[0.2, 0.4, 0.2, 0.2], [0, 0.1, 0.2, 0.2], [0, 0, 0, 0]])
    )
    for place, mean, deviation in ((0.1, 0.4, 0.1), (0.5, 0.8, 0.05), (0.7, 0.9, 0.02)):
        found = stairs.log_gain(np.array([place]), np.array([mean]), np.array([deviation]))
        wanted = sampled_gain(stairs, place, mean, deviation)
        assert math.exp(found[0]) == pytest.approx(wanted, rel=0.02)


def test_the_expected_gain_of_what_cannot_win_still_has_an_order() -> None:
    stairs = Staircase(np.array([0.0]), np.array([0.9]))
    places, deviation = np.full(3, 0.5), np.full(3, 0.01)
    found = stairs.log_gain(places, np.array([0.3, 0.4, 0.5]), deviation)
    assert np.isfinite(found).all()
    assert (np.diff(found) > 0).all()
    assert stairs.log_gain(np.ones(1), np.ones(1), np.ones(1))[0] == -np.inf
    empty = Staircase(np.zeros(0), np.zeros(0))
    sure = empty.log_gain(np.array([0.5]), np.array([0.8]), np.array([1e-6]))
    assert math.exp(sure[0]) == pytest.approx(0.5 * 0.8)


def accuracy(encoded: np.ndarray) -> float:
    return 0.6 + float(encoded @ np.linspace(0.02, 0.01, 8))


def searched(known: Known, trials: int, *, name: str = "greybox") -> float:
    """Returns the hypervolume after some trials."""
    make, study, points = sampler_factory(name, known=known), new_study(), list[Point]()
    for number in range(trials):
        study.sampler = make(number)
        trial = study.ask(dict(CHOICES))
        encoded = SPACE.encode(trial.params)
        macs, _ = SPACE.tables.count(encoded[None])
        points.append((accuracy(encoded), float(macs[0])))
        study.tell(trial, points[-1])
    return FRONT.hypervolume(points, itself)


def test_the_grey_box_sampler_finds_more_of_a_front_than_others() -> None:
    found = {name: searched(KNOWN, 25, name=name) for name in ("greybox", "random", "tpe")}
    assert found["greybox"] > 1.05 * max(found["random"], found["tpe"])


def test_the_same_study_gives_the_same_suggestion_and_running_trials_count() -> None:
    study = new_study()
    rng = np.random.default_rng(0)
    for _ in range(12):
        trial = study.ask(dict(CHOICES))
        macs, _ = SPACE.tables.count(SPACE.encode(trial.params)[None])
        value = accuracy(SPACE.encode(trial.params)) + 0.01 * rng.normal()
        study.tell(trial, [value, float(macs[0])])

    def suggested() -> dict[str, Any]:
        study.sampler = FrontSampler(seed=0, known=KNOWN)
        return dict(study.ask(dict(CHOICES)).params)

    study.sampler = FrontSampler(seed=0, known=KNOWN)
    again = [
        study.sampler.sample_relative(study, study.trials[-1], dict(CHOICES)) for _ in range(2)
    ]
    assert again[0] == again[1]
    running = [suggested() for _ in range(4)]
    assert len({tuple(params.values()) for params in running}) == 4
    expected = expected_values(study.sampler, study)
    assert list(expected) == list(range(12))
    assert all(0.4 < value < 1 for value in expected.values())


def test_other_studies_are_left_to_tpe() -> None:
    sampler = FrontSampler(seed=0, known=KNOWN)
    assert sampler.takes(new_study())
    others: list[list[Direction]] = [["maximize"], ["minimize", "maximize"], ["maximize"] * 3]
    for directions in others:
        assert not sampler.takes(optuna.create_study(directions=directions))
    measured = Front(FRONT.span, base_reward(None, None, "latency"))
    unknown = known_networks(measured, Costing(SPACE, meters={"latency": lambda spec: 1.0}))
    assert unknown.place is None
    assert not FrontSampler(seed=0, known=unknown).takes(new_study())
    sampler = FrontSampler(seed=0, known=unknown)
    study = new_study(sampler=sampler)
    study.optimize(lambda t: (t.suggest_categorical("a", [1, 2]), t.suggest_float("b", 0, 1)), 15)
    assert expected_values(sampler, study) == {}
    study = new_study(sampler=FrontSampler(seed=0, known=KNOWN))
    study.optimize(lambda t: (t.suggest_categorical("a", [1, 2]), t.suggest_float("b", 0, 1)), 5)
    assert len(study.trials) == 5


@pytest.mark.parametrize("sampler", FRONT_SAMPLERS)
def test_every_sampler_for_fronts_searches_for_one(sampler: str) -> None:
    fake, costing, study = Fake(), Costing(wide_space()), new_study()
    known = known_networks(mixed_front(), costing)
    make = sampler_factory(sampler, known=known)
    trials = fronted(fake, trials=11, study=study, sampler=make)
    assert len(evaluated(trials)) == 11 == fake.calls
    for trial in evaluated(trials):
        assert trial.evaluation is not None
        assert trial.values == (trial.evaluation.accuracy, trial.costs["macs"])
        assert trial.reward == mixed_front().reward(trial.evaluation.accuracy, trial.costs)


def test_a_network_is_trained_once_and_one_over_a_limit_never() -> None:
    space, fake, study = tiny_space(), Fake(), new_study()
    costing = Costing(space)
    trials = fronted(fake, trials=10, study=study, costing=costing)
    assert fake.calls == 3
    repeats = [t for t in trials if t.duplicate_of is not None]
    assert repeats
    for trial in repeats:
        first = trials[trial.duplicate_of or 0]
        assert (trial.values, trial.reward) == (first.values, first.reward)
    wide = wide_space()
    limit = float(np.mean(np.log(wide.macs_range)))
    costing = Costing(wide, limits={"macs": math.exp(limit)})
    study = new_study()
    trials = fronted(Fake(), study=study, costing=costing)
    refused = [t for t in trials if t.refused]
    assert refused
    assert all(study.trials[t.number].state == TrialState.PRUNED for t in refused)
    assert {(t.reward, t.values) for t in refused} == {(None, ())}
    assert all(t.costs["macs"] <= math.exp(limit) for t in evaluated(trials))


def test_what_a_kill_cut_short_has_no_reward() -> None:
    study, space = new_study(), wide_space()
    trial = study.ask({c.name: CategoricalDistribution(c.options) for c in space.choices})
    trial.set_user_attr("reward", 0.5)  # as far as a process came that was killed then
    give_up_running(study)
    (record,) = records(study, space)
    assert (record.reward, record.values, record.error) == (None, (), "interrupted")


@pytest.mark.parametrize("sampler", ["greybox", "nsga2"])
def test_a_stopped_search_for_a_front_goes_on_as_if_it_had_not_been(sampler: str) -> None:
    costing = Costing(wide_space())
    make = sampler_factory(sampler, known=known_networks(mixed_front(), costing))
    whole = fronted(Fake(), trials=24, sampler=make)
    study = new_study()
    with pytest.raises(KeyboardInterrupt):
        fronted(Fake(stop_at=21), trials=24, study=study, sampler=make)
    resumed = fronted(Fake(), trials=24, study=study, sampler=make)
    assert story(resumed) == story(whole)
    assert [replace(t, number=0).values for t in evaluated(resumed)] == [
        t.values for t in evaluated(whole)
    ]
