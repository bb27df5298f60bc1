"""The grey-box sampler: what it knows, and what it learns from the study alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from nas.costs import Costing
from nas.objective import Objective
from nas.predictor import Posterior, _Evidence
from nas.samplers.acquisition import best_rows, knowledge_gain, log_improvement
from nas.samplers.columns import Columns, row_keys
from nas.samplers.decomposition import take_apart
from nas.samplers.greybox import GreyBoxSampler
from nas.samplers.known import Known, known_networks
from nas.samplers.surrogate import (
    Surrogate,
    Task,
    Trials,
    learnt_prior,
    settled,
    telling,
)
from search_spaces.measured import MEASURED

SPACE = MEASURED["nas_bench_macro"].make()
OBJECTIVE = Objective("soft", 40e6)
KNOWN = known_networks(OBJECTIVE, Costing(SPACE))
CHOICES = {choice.name: CategoricalDistribution(choice.options) for choice in SPACE.choices}
TASK = Task(Columns(CHOICES), KNOWN)


def accuracy(params: dict[str, Any]) -> float:
    """Returns what grows with every layer's operation, the earlier layers' more."""
    encoded = SPACE.encode(params)
    return 0.6 + float(encoded @ np.linspace(0.02, 0.01, 8))


def reward(params: dict[str, Any]) -> float:
    macs, _ = SPACE.tables.count(SPACE.encode(params)[None])
    return OBJECTIVE(accuracy(params), float(macs[0]))


def searched(trials: int, *, noise: float = 0.0, **options: Any) -> optuna.Study:
    study, rng = optuna.create_study(direction="maximize"), np.random.default_rng(0)
    for _ in range(trials):
        study.sampler = GreyBoxSampler(seed=0, known=KNOWN, **options)
        trial = study.ask(dict(CHOICES))
        study.tell(trial, reward(trial.params) + noise * rng.normal())
    return study


def trials_of(rows: np.ndarray, values: np.ndarray, running: np.ndarray | None = None) -> Trials:
    nothing = np.zeros((0, rows.shape[1]))
    running = nothing if running is None else running
    return Trials(rows, values, running, TASK.keys(np.concatenate([rows, running])))


def test_rows_have_the_same_key_only_where_they_are_the_same() -> None:
    rows = Columns(CHOICES).all()
    assert len(np.unique(row_keys(rows))) == len(rows) == 6561
    assert (row_keys(rows) == row_keys(rows.copy())).all()
    assert len(np.unique(TASK.keys(rows))) == SPACE.networks == 3969


def test_rows_and_parameters_are_the_same_thing() -> None:
    columns = Columns(
        {
            "kernel": CategoricalDistribution((3, 5, 7)),
            "rate": FloatDistribution(1e-3, 1.0, log=True),
            "depth": IntDistribution(1, 9, step=2),
        }
    )
    for row in columns.sample(np.random.default_rng(0), 20):
        again = columns.encode([columns.decode(row)])[0]
        np.testing.assert_allclose(again, row, atol=1e-9)
    assert columns.holds({"kernel": 5, "rate": 0.1, "depth": 3})
    assert not columns.holds({"kernel": 4, "rate": 0.1, "depth": 3})
    assert not columns.holds({"kernel": 5, "rate": 0.1})


def test_a_cost_is_taken_apart_into_what_acts_together() -> None:
    choices = {"a": (1, 2, 3), "b": (1, 2), "c": (5, 7), "d": (0, 1)}
    summed = take_apart(choices, lambda p: p["a"] * p["b"] + 10 * p["c"] + p["d"])
    assert summed is not None
    assert [columns.tolist() for columns, _, _ in summed.groups] == [[0, 1], [2], [3]]
    assert summed(np.array([[2, 1, 1, 1]]))[0] == 3 * 2 + 10 * 7 + 1


def test_expected_improvement_keeps_its_order_where_floats_end() -> None:
    gains = log_improvement(np.array([0.1, 0.0, -50.0, -90.0]), np.full(4, 1.0), 0.0)
    assert (np.diff(gains) < 0).all()
    assert np.isfinite(gains).all()
    assert np.isclose(np.exp(gains[1]), 1 / np.sqrt(2 * np.pi))  # EI at z = 0 is φ(0)


def test_the_greatest_score_is_found_in_a_space_too_large_to_list() -> None:
    columns = Columns({f"stage{i}": CategoricalDistribution((0, 1, 2, 3)) for i in range(20)})
    task, best = Task(columns, None), np.arange(20) % 4
    found = best_rows(
        lambda rows: -np.abs(rows - best).sum(axis=1), task, columns.sample(_rng(), 1), _rng(),
        taken=np.zeros(0, dtype=np.uint64),
    )  # fmt: skip
    assert (found[0] == best).all()


def _rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_surrogate_learns_accuracy_and_knows_cost() -> None:
    rows = TASK.columns.sample(np.random.default_rng(1), 60)
    values = np.array([reward(TASK.columns.decode(row)) for row in rows])
    fresh = TASK.columns.sample(np.random.default_rng(2), 100)
    mean, deviation = Surrogate(TASK, trials_of(rows, values)).reward(fresh)
    true = np.array([reward(TASK.columns.decode(row)) for row in fresh])
    assert np.abs(mean - true).max() < 0.01 * true.std() + 0.005
    assert (deviation > 0).all()


def test_of_many_observations_the_best_and_some_of_all_others_are_kept() -> None:
    values = np.random.default_rng(0).normal(size=2000)
    kept = telling(values)
    assert len(kept) == len(set(kept.tolist())) == 384
    assert (np.diff(kept) > 0).all()
    assert set(np.argsort(-values)[:192].tolist()) <= set(kept.tolist())
    others = np.setdiff1d(kept, np.argsort(-values)[:192])
    assert np.abs(np.diff(others)).max() < 40  # spread over all
    assert telling(values[:384]).tolist() == list(range(384))


def test_what_is_settled_changes_with_few_trials_only() -> None:
    counts = [settled(count) for count in range(1, 5000)]
    assert max(count - done for count, done in enumerate(counts, 1)) < 64
    assert len(set(counts)) < 250
    assert counts[:31] == list(range(1, 32))


def test_a_surrogate_of_many_trials_still_learns() -> None:
    rows = TASK.columns.all()
    rows = rows[np.random.default_rng(1).permutation(len(rows))][:1500]
    values = np.array([reward(TASK.columns.decode(row)) for row in rows])
    noisy = values + np.random.default_rng(0).normal(scale=0.002, size=len(values))
    mean, _ = Surrogate(TASK, trials_of(rows, noisy)).reward(rows, spread=False)
    assert np.corrcoef(mean, values)[0, 1] > 0.99


def test_a_trial_moves_what_is_expected_as_the_model_then_finds_it() -> None:
    rows = TASK.columns.sample(np.random.default_rng(1), 20)
    values = np.array([reward(TASK.columns.decode(row)) for row in rows])
    tried, others = rows[:1] * 0, TASK.columns.sample(np.random.default_rng(3), 30)
    before = Surrogate(TASK, trials_of(rows, values))
    moves = before.moves(others, tried)[:, 0]
    described = TASK.describe(tried)
    posterior = before._posterior
    mean, deviation = posterior(described.inputs)
    result = (mean + np.hypot(deviation, posterior.noise) + before.center) * described.factor
    inputs = TASK.describe(rows).inputs.concat(described.inputs)
    observed = np.append(values, result) / np.append(TASK.describe(rows).factor, described.factor)
    after = Posterior(inputs, observed - before.center, posterior.settings, scale=posterior.scale)
    there = TASK.describe(others)
    expected = (after(there.inputs)[0] + before.center) * there.factor
    np.testing.assert_allclose(expected - before.reward(others)[0], moves, atol=1e-5)


def test_knowledge_is_gained_where_a_result_could_change_the_choice() -> None:
    mean = np.array([0.7, 0.69, 0.5])
    certain, second, hopeless = np.zeros(3), np.array([0, 0.02, 0]), np.array([0, 0, 0.02])
    gain = knowledge_gain(mean, np.stack([certain, second, hopeless], axis=1))
    np.testing.assert_allclose(gain[[0, 2]], 0, atol=1e-12)
    drawn = np.random.default_rng(0).normal(0.69, 0.02, size=200_000)
    np.testing.assert_allclose(gain[1], np.maximum(drawn - 0.7, 0).mean(), rtol=0.05)


def test_the_evidence_has_the_slope_that_it_says() -> None:
    rows = TASK.columns.sample(np.random.default_rng(1), 20)
    values = np.array([reward(TASK.columns.decode(row)) for row in rows])
    evidence = _Evidence(TASK.describe(rows).inputs, (values - values.mean()) / values.std())
    theta = evidence.mean + 0.1 * np.random.default_rng(0).normal(size=len(evidence.mean))
    steps = 1e-5 * np.eye(len(theta))
    slopes = [(evidence(theta + d)[0] - evidence(theta - d)[0]) / 2e-5 for d in steps]
    np.testing.assert_allclose(evidence(theta)[1], slopes, rtol=1e-5, atol=1e-5)


def test_a_value_in_doubt_says_less() -> None:
    rows = TASK.columns.sample(np.random.default_rng(1), 40)
    values = np.array([reward(TASK.columns.decode(row)) for row in rows])
    wrong = values.copy()
    wrong[::4] -= 0.2
    doubts = np.where(np.arange(40) % 4 == 0, 0.2, 0.0)
    errors = [
        np.abs(Surrogate(TASK, trials).reward(rows, spread=False)[0] - values).mean()
        for trials in (
            trials_of(rows, wrong),
            replace(trials_of(rows, wrong), doubts=doubts),
        )
    ]
    assert errors[1] < errors[0] / 3


def test_running_trials_lower_the_uncertainty_about_themselves_only() -> None:
    rows = TASK.columns.sample(np.random.default_rng(1), 20)
    values = np.array([reward(TASK.columns.decode(row)) for row in rows])
    running = TASK.columns.sample(np.random.default_rng(3), 1)
    before = Surrogate(TASK, trials_of(rows, values)).reward(running)
    after = Surrogate(TASK, trials_of(rows, values, running)).reward(running)
    assert after[1][0] < before[1][0]
    np.testing.assert_allclose(after[0], before[0], rtol=1e-4)


def test_no_network_is_suggested_twice() -> None:
    study = searched(40, startup=6)
    names = [tuple(SPACE.canonical(SPACE.encode(t.params)[None])[0]) for t in study.trials]
    assert len(set(names)) == len(names)


def test_what_is_suggested_depends_on_seed_and_study_alone() -> None:
    one, two = searched(12, startup=6), searched(12, startup=6)
    assert [t.params for t in one.trials] == [t.params for t in two.trials]


def test_trials_that_run_at_once_differ() -> None:
    study = searched(10, startup=6)
    study.sampler = GreyBoxSampler(seed=0, known=KNOWN, startup=6)
    asked = [study.ask(dict(CHOICES)).params for _ in range(8)]
    assert len({tuple(params.values()) for params in asked}) == 8


def test_it_recommends_by_the_model_and_not_by_luck() -> None:
    study = searched(24, noise=0.01, startup=12)
    lucky = study.best_trial
    sampler = GreyBoxSampler(seed=0, known=KNOWN, startup=12)
    expected = sampler.expected(study)
    assert expected.keys() == {trial.number for trial in study.trials}
    assert expected[lucky.number] < study.best_value
    assert reward(sampler.recommend(study)) >= reward(lucky.params)


def test_a_prior_replaces_the_first_random_trials() -> None:
    rows = TASK.columns.sample(np.random.default_rng(1), 80)
    accuracies = np.array([accuracy(TASK.columns.decode(row)) for row in rows])
    prior = learnt_prior(TASK.columns, KNOWN, rows, accuracies)
    first = searched(1, prior=prior).trials[0]
    drawn = TASK.columns.sample(np.random.default_rng(5), 300)
    assert (first.value or 0) > max(reward(TASK.columns.decode(row)) for row in drawn)


def test_a_space_that_nothing_is_known_of_is_searched_by_its_values() -> None:
    known = Known(choices={"other": (1, 2)}, costs=lambda e: e + 1.0)
    study = optuna.create_study(sampler=GreyBoxSampler(seed=0, known=known, startup=5))
    study.optimize(lambda t: (t.suggest_float("x", -5, 5) - 2) ** 2, n_trials=25)
    assert study.best_value < 0.05
