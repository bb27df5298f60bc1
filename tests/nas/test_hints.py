"""Scores of some networks foretell those of others, and a sampler listens."""

from dataclasses import replace

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution

from nas.costs import Costing
from nas.hints import Hints
from nas.objective import Objective
from nas.samplers.columns import Columns
from nas.samplers.known import known_networks
from nas.samplers.surrogate import Surrogate, Task, Trials
from search_spaces.errors import RunError
from tests.nas.fakes import wide_space

SPACE = wide_space()
NAMES = ("synflow", "grad_norm")


def drawn(count: int, seed: int = 0) -> np.ndarray:
    return SPACE.sample_encoded(np.random.default_rng(seed), count)


def scores_of(encoded: np.ndarray) -> np.ndarray:
    """Gives one score that is a sum over choices and size, and one of which the logarithm is."""
    macs, _ = SPACE.tables.count(encoded)
    sums = encoded @ np.linspace(-1, 1, encoded.shape[1]) + np.log(macs)
    return np.stack([sums, np.exp(sums / 4)], axis=1)


def test_sums_over_choices_are_foretold() -> None:
    scored, others = drawn(200), drawn(300, seed=1)
    hints = Hints(SPACE, scored, scores_of(scored), NAMES)
    assert min(hints.agreement) > 0.999
    foretold = hints(others)
    assert foretold.shape == (300, 2)
    assert np.corrcoef(foretold[:, 0], scores_of(others)[:, 0])[0, 1] > 0.999
    assert np.abs(foretold[:, 0] - foretold[:, 1]).max() < 0.01, "the logarithm is what counts"


def test_noise_is_not_foretold() -> None:
    scored = drawn(200)
    noise = np.random.default_rng(2).normal(size=(200, 1))
    hints = Hints(SPACE, scored, noise, ("zico",))
    assert abs(hints.agreement[0]) < 0.3
    assert hints(drawn(50, seed=1)).std() < 0.5, "so little is made of it"


def test_a_score_that_is_the_same_everywhere_says_nothing() -> None:
    scored = drawn(30)
    hints = Hints(SPACE, scored, np.ones((30, 1)), ("naswot",))
    assert hints.agreement == (0.0,)
    assert np.allclose(hints(scored), 0)


def test_networks_without_a_finite_score_are_left_out() -> None:
    scored = drawn(60)
    scores = scores_of(scored)[:, :1]
    broken = scores.copy()
    broken[:30] = -np.inf
    hints = Hints(SPACE, scored, broken, ("synflow",))
    others = drawn(20, seed=1)
    assert np.array_equal(
        hints(others), Hints(SPACE, scored[30:], scores[30:], ("synflow",))(others)
    )
    broken[:41] = -np.inf
    with pytest.raises(RunError, match="19 networks have scores; hints need at least 20"):
        Hints(SPACE, scored, broken, ("synflow",))


def test_a_model_that_is_told_what_counts_predicts_better() -> None:
    scored, rows, others = drawn(200), drawn(12, seed=3), drawn(300, seed=4)
    effects = np.random.default_rng(5).normal(size=rows.shape[1])

    def accuracy(encoded: np.ndarray) -> np.ndarray:
        return np.asarray(0.5 + 0.02 * encoded @ effects)

    hints = Hints(SPACE, scored, accuracy(scored)[:, None], ("zico",))
    plain = replace(known_networks(Objective("soft", 2e6), Costing(SPACE)), factor=None)
    told = replace(plain, hints=hints)
    found = []
    for known in (plain, told):
        columns = Columns({n: CategoricalDistribution(o) for n, o in known.choices.items()})
        nothing = np.zeros((0, rows.shape[1]))
        trials = Trials(rows, accuracy(rows), nothing, np.zeros(0, dtype=np.uint64))
        predicted = Surrogate(Task(columns, known), trials).accuracy(others)
        found.append(np.corrcoef(predicted, accuracy(others))[0, 1])
    assert found[1] > max(0.9, found[0] + 0.1)
