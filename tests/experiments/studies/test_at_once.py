"""Searches of which several trials run at once: who runs when, and what that costs in trials."""

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from experiments.studies.at_once import AtOnce
from experiments.studies.figure import regret_figure
from experiments.studies.fronts import best_hypervolume, search_front
from experiments.studies.regret import Searched, search_problem, summary
from nas.costs import Costing
from nas.samplers import sampler_factory
from nas.samplers.known import known_networks
from tests.conftest import Caller
from tests.experiments.studies.test_regret import easy
from tests.test_cli_errors import assert_refused

PROBLEM = easy()


def order(at_once: int, seed: int = 0) -> tuple[list[int], list[int]]:
    """Returns the numbers of trials in the order in which they end, and how many ran then."""
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    ended, running = [], []
    for trial in AtOnce(study, PROBLEM.space, trials=30, at_once=at_once, seed=seed):
        running.append(len(study.get_trials(states=(TrialState.RUNNING,))))
        study.tell(trial, 0.0)
        ended.append(trial.number)
    return ended, running


def test_so_many_run_until_no_more_are_to_start() -> None:
    ended, running = order(8)
    assert sorted(ended) == list(range(30))
    assert ended != sorted(ended)
    assert running == [8] * 23 + [7, 6, 5, 4, 3, 2, 1]
    assert order(1) == (list(range(30)), [1] * 30)


def test_the_seed_says_who_ends_first() -> None:
    assert order(8) == order(8)
    assert order(8) != order(8, seed=1)


def test_several_at_once_find_the_best_network_too() -> None:
    known = known_networks(PROBLEM.objective, Costing(PROBLEM.space))
    make = sampler_factory("greybox", known=known)
    found = search_problem(PROBLEM, "greybox", make, seed=0, trials=24, at_once=4)
    assert found.regret[-1] < 1
    assert found.at_once == 4
    assert len(found.milliseconds) == len(found.regret) == 24


def test_a_front_is_searched_by_several_at_once() -> None:
    found = search_front(
        PROBLEM, "random", sampler_factory("random"), best=best_hypervolume(PROBLEM), seed=0,
        trials=20, at_once=5,
    )  # fmt: skip
    assert len(found.regret) == 20
    assert found.regret[-1] <= found.regret[0]


def test_a_summary_says_what_several_at_once_cost() -> None:
    def searched(at_once: int, *regret: float) -> Searched:
        return Searched("p", "s", 0, regret, (1.0,) * len(regret), at_once)

    rows = summary(
        [
            searched(1, 3.0, 0.9, 0.8, 0.7),
            searched(4, 3.0, 2.0, 0.9, 0.8),
            searched(16, 3.0, 2.0, 1.9, 1.8),
        ]
    )
    assert [(row["at once"], row["× to 1%"]) for row in rows] == [(1, 1.0), (4, 1.5), (16, None)]
    page = regret_figure([searched(1, 3.0, 0.9), searched(4, 3.0, 2.0)])
    assert "s, 4 at once" in page


@pytest.mark.parametrize(
    ("text", "message"),
    [("many", "numbers are wanted, as in 1,4,16"), ("4,0", "at least 1 trial runs at a time")],
)
def test_bad_input(call: Caller, text: str, message: str) -> None:
    bench = ("bench", "search", "--measured", "nowhere", "--at-once", text)
    assert_refused(call(*bench), message)
