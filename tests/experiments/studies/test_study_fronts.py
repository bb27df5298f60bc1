"""Searches for fronts on problems whose best front is known."""

from dataclasses import replace

import numpy as np
import pytest

from experiments.studies import fronts
from experiments.studies.fronts import best_hypervolume, front_of, search_front
from nas.costs import Costing
from nas.samplers import sampler_factory
from nas.samplers.known import known_networks
from tests.experiments.studies.test_regret import easy


def test_the_grey_box_sampler_comes_near_the_best_front_and_random_draws_do_not() -> None:
    problem = easy()
    best = best_hypervolume(problem)
    known = known_networks(front_of(problem), Costing(problem.space))
    grey, random = (
        search_front(
            problem, name, sampler_factory(name, known=known), best=best, seed=0, trials=20
        )
        for name in ("greybox", "random")
    )
    assert 0 <= grey.regret[-1] < 0.5 * random.regret[-1]
    assert len(grey.milliseconds) == 20


def test_a_front_that_is_climbed_to_is_that_of_the_whole_space(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem = easy()
    whole = best_hypervolume(problem)
    monkeypatch.setattr(fronts, "LISTED", 0)
    monkeypatch.setattr(fronts, "FIRST", 64)
    climbed = best_hypervolume(problem)
    assert climbed == pytest.approx(whole, rel=2e-3)
    assert climbed <= whole * (1 + 1e-12)
    blind = replace(problem, accuracy=lambda encoded: np.full(len(encoded), 0.5))
    assert best_hypervolume(blind) == pytest.approx(0.5)
