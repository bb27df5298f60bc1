"""Accuracies predicted from measured networks, on a space small enough to try everything."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

from nas.objective import Objective
from nas.pairwise.climb import Problem, around, climb
from nas.pairwise.evaluator import evaluator_of
from nas.pairwise.fit import fit
from nas.pairwise.hyper import likelihood
from nas.pairwise.kernel import Hyper, Inputs, gram, inputs_of
from nas.pairwise.maximum import best_networks
from nas.pairwise.model import Predictor
from nas.pairwise.prior import prior_of
from search_spaces.codec import stages_from_strings
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace, StageOptions
from search_spaces.spec import ArchSpec

Array = np.ndarray
NOISE = 0.002


def small_space(widths: tuple[float, ...] = (1,)) -> SearchSpace:
    stages = "ir_r1_k3_s1_e3_c8 ir_r1_k3_s2_e3_c16 ir_r1_k3_s2_e3_c24"
    skeleton = ArchSpec("small", resolution=32, stages=stages_from_strings(stages), stem_ch=8)
    options = StageOptions(expands=(1, 3), layers=(0, 1, 2), widths=widths)
    return SearchSpace("small", replace(skeleton, head_ch=64, num_classes=10), (options,) * 3)


@pytest.fixture(scope="module")
def space() -> SearchSpace:
    return small_space()


def every(space: SearchSpace) -> Array:
    sizes = [len(choice.options) for choice in space.choices]
    return np.stack(np.unravel_index(np.arange(space.size), sizes), axis=1)


def truth(space: SearchSpace, encoded: Array) -> Array:
    """Makes an accuracy that grows with capacity, with stages that depend on each other."""
    place = encoded / np.array([len(choice.options) - 1 for choice in space.choices])
    mixed = place @ np.linspace(0.02, 0.06, place.shape[1]) + 0.1 * place[:, 0] * place[:, -1]
    logs = np.log(space.tables.count(encoded)[0])
    return np.asarray(0.8 - 0.3 * np.exp(-mixed - 0.2 * (logs - logs.mean())))


@pytest.fixture(scope="module")
def measured(space: SearchSpace) -> tuple[Array, Array]:
    rng = np.random.default_rng(0)
    encoded = space.sample_encoded(rng, 400)
    return encoded, truth(space, encoded) + NOISE * rng.normal(size=400)


@pytest.fixture(scope="module")
def predictor(space: SearchSpace, measured: tuple[Array, Array]) -> Predictor:
    return fit(space, *measured)


def some_hyper(space: SearchSpace) -> Hyper:
    rng = np.random.default_rng(3)
    choices, stages = len(space.choices), len(space.places)
    rates, weights = rng.uniform(0.3, 1, choices), rng.uniform(0.01, 0.03, stages)
    return Hyper(rates, weights, 20.0, np.array([0.01, 0.02]), 0.002, 0.9)


def test_networks_that_were_not_measured_are_predicted(
    space: SearchSpace, predictor: Predictor
) -> None:
    encoded = space.sample_encoded(np.random.default_rng(1), 1000)
    true, predicted = truth(space, encoded), predictor.accuracy(encoded)
    assert kendalltau(true, predicted).statistic > 0.97
    assert np.abs(true - predicted).mean() < NOISE
    again = true + NOISE * np.random.default_rng(2).normal(size=1000)
    away = np.abs(again - predicted) / predictor.deviation(encoded)
    assert 0.6 < (away < 1).mean() < 0.8
    assert 0.9 < (away < 1.96).mean() < 0.99


def test_the_gradient_of_the_likelihood_is_its_slope(
    space: SearchSpace, measured: tuple[Array, Array]
) -> None:
    encoded, accuracy = measured[0][:60], measured[1][:60]
    raw = inputs_of(space, encoded)
    inputs = Inputs(raw.combinations, raw.logs - raw.logs.mean(axis=0))
    start, step = some_hyper(space), 1e-5

    def moved(place: int, sign: float) -> float:
        factors = np.ones(len(start.rates) + len(start.weights) + 4)
        factors[place] = np.exp(sign * step)
        rates, weights, rest = np.split(factors, [len(start.rates), -4])
        changed = Hyper(
            start.rates * rates, start.weights * weights, start.pairs * rest[0],
            start.linear * rest[1:3], start.noise * rest[3], start.ceiling,
        )  # fmt: skip
        return likelihood(space, changed, inputs, accuracy)[0]

    _, gradient = likelihood(space, start, inputs, accuracy)
    slopes = [(moved(n, 1) - moved(n, -1)) / (2 * step) for n in range(len(gradient) - 1)]
    np.testing.assert_allclose(gradient[:-1], slopes, rtol=1e-4, atol=1e-4)
    higher = replace(start, ceiling=start.ceiling + step)
    lower = replace(start, ceiling=start.ceiling - step)
    ends = [likelihood(space, hyper, inputs, accuracy)[0] for hyper in (higher, lower)]
    assert gradient[-1] == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-4)


def test_tables_and_features_are_the_gaussian_process(
    space: SearchSpace, predictor: Predictor
) -> None:
    encoded = space.sample_encoded(np.random.default_rng(5), 50)
    inputs = predictor.centred(inputs_of(space, encoded))
    fitted, hyper = predictor.fitted, predictor.hyper
    between = gram(predictor.kernels, hyper, inputs, predictor.measured)
    latent = between @ fitted.alpha + fitted.offset
    np.testing.assert_allclose(predictor.latent(encoded), latent, atol=1e-9)
    inner = gram(predictor.kernels, hyper, predictor.measured, predictor.measured)
    inner += hyper.noise * np.eye(len(inner))
    own = np.diag(gram(predictor.kernels, hyper, inputs, inputs))
    variance = own - (between * np.linalg.solve(inner, between.T).T).sum(axis=1) + hyper.noise
    exact = fitted.spread * np.exp(-latent) * np.sqrt(variance)
    np.testing.assert_allclose(predictor.deviation(encoded), exact, rtol=0.03)


@pytest.mark.parametrize(
    ("name", "exponent", "share"),
    [
        ("soft", -0.07, 0.5),
        ("soft", -0.5, 0.5),
        ("soft", 0.0, 0.5),
        ("hard", -1.0, 0.2),
        ("hard", -1.0, 0.7),
        ("hard", -0.1, 0.0),
        ("hard", -1.0, 1.0),
    ],
)
def test_the_best_are_those_that_trying_everything_finds(
    space: SearchSpace, predictor: Predictor, name: str, exponent: float, share: float
) -> None:
    everything = every(space)
    macs = space.tables.count(everything)[0]
    objective = Objective(name, float(np.quantile(macs, share)), exponent)
    accuracy = predictor.accuracy(everything)
    rewards = [objective(a, m) for a, m in zip(accuracy.tolist(), macs.tolist(), strict=True)]
    found = best_networks(predictor, objective, count=25)
    assert found.proven
    np.testing.assert_allclose(np.exp(found.log_rewards), np.sort(rewards)[::-1][:25], rtol=1e-9)
    counted, predicted = space.tables.count(found.encoded)[0], predictor.accuracy(found.encoded)
    own = [objective(a, m) for a, m in zip(predicted.tolist(), counted.tolist(), strict=True)]
    np.testing.assert_allclose(own, np.exp(found.log_rewards), rtol=1e-9)
    assert len(np.unique(found.encoded, axis=0)) == 25


def test_what_climbs_miss_the_bound_finds(
    space: SearchSpace, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = Objective("soft", 1e6)
    best = best_networks(predictor, objective)
    worst = np.zeros((1, len(space.places)), dtype=np.int64)
    monkeypatch.setattr("nas.pairwise.maximum.climb", lambda p, n: (worst, p.log_reward(worst)))
    monkeypatch.setattr("nas.pairwise.maximum.around", lambda p, n: worst)
    found = best_networks(predictor, objective)
    assert found.proven
    assert found.reached == 0
    np.testing.assert_array_equal(found.encoded, best.encoded)


def test_a_search_that_is_cut_short_says_so(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.pairwise.bound.MOST", 1)
    found = best_networks(predictor, Objective("soft", 1e6), count=5)
    assert not found.proven
    assert len(found.encoded) == 5


def test_no_change_of_one_stage_improves_a_climb(predictor: Predictor) -> None:
    problem = Problem(predictor, Objective("soft", 1e6))
    found, rewards = climb(problem, problem.random(np.random.default_rng(0), 5))
    for network, reward in zip(found, rewards, strict=True):
        near = around(problem, network)
        one = near[(near != network).sum(axis=1) == 1]
        assert len(one) == sum(problem.sizes) - len(problem.sizes)
        assert (problem.log_reward(one) <= reward + 1e-12).all()


def test_a_space_with_widths_is_refused(measured: tuple[Array, Array]) -> None:
    wide = small_space(widths=(1, 2))
    encoded = wide.sample_encoded(np.random.default_rng(0), 100)
    predictor = fit(wide, encoded, np.linspace(0.1, 0.9, 100))
    with pytest.raises(InputError, match="space small has a choice of widths"):
        best_networks(predictor, Objective("soft", 1e6))


def test_the_predictor_is_an_evaluator(space: SearchSpace, predictor: Predictor) -> None:
    evaluate = evaluator_of(predictor)
    encoded = space.sample_encoded(np.random.default_rng(8), 1)
    spec = space.decode_many(encoded)[0]
    found = evaluate(spec, seed=4)
    assert found.accuracy == pytest.approx(predictor.accuracy(encoded)[0], abs=1e-12)
    assert (found.macs, found.params, found.seed) == (cost(spec).macs, cost(spec).params, 4)
    with pytest.raises(InputError, match="is no network of space 'small'"):
        evaluate(replace(spec, resolution=64), seed=0)


def test_a_prior_reads_columns_by_name(space: SearchSpace, predictor: Predictor) -> None:
    encoded = space.sample_encoded(np.random.default_rng(9), 20)
    names = [choice.name for choice in space.choices]
    np.testing.assert_array_equal(prior_of(predictor)(encoded), predictor.accuracy(encoded))
    backwards = prior_of(predictor, names[::-1])(encoded[:, ::-1].astype(float))
    np.testing.assert_array_equal(backwards, predictor.accuracy(encoded))
    with pytest.raises(InputError, match="has other choices than asked"):
        prior_of(predictor, names[1:])


def test_what_cannot_be_fitted_is_refused(space: SearchSpace) -> None:
    encoded = space.sample_encoded(np.random.default_rng(0), 40)
    with pytest.raises(InputError, match="20 measured networks; a predictor needs at least 30"):
        fit(space, encoded[:20], np.full(20, 0.5))
    with pytest.raises(InputError, match="not a number from 0 to 1"):
        fit(space, encoded, np.full(40, 61.3))
