"""What samplers keep of finished trials, and what TPE is shown of very many."""

from typing import Literal

import numpy as np
import optuna
import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import TrialState, create_trial

from nas.samplers import SAMPLERS
from nas.samplers.bounded import BEST, MOST, BoundedTPE, _Shown
from nas.samplers.columns import Columns, row_keys
from nas.samplers.tried import Tried

SPACE: dict[str, BaseDistribution] = {
    "a": CategoricalDistribution((1, 2, 3)),
    "b": CategoricalDistribution(("x", "y")),
}


def study_of(values: list[float]) -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    for number, each in enumerate(values):
        params = {"a": 1 + number % 3, "b": "xy"[number % 2]}
        study.add_trial(create_trial(params=params, distributions=dict(SPACE), value=each))
    return study


def tried_of(study: optuna.Study) -> Tried:
    tried = Tried(Columns(SPACE), row_keys)
    tried.update(study.get_trials(deepcopy=False))
    return tried


def assert_same(one: Tried, other: Tried) -> None:
    for name in ("rows", "keys", "values", "states", "first"):
        assert np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True), name
    assert [t.number for t in one.trials] == [t.number for t in other.trials]


def test_what_is_kept_is_what_a_fresh_look_finds() -> None:
    study = study_of([0.1, 0.2])
    tried = tried_of(study)
    early, late, bad = (study.ask(SPACE) for _ in range(3))
    study.tell(late, 0.4)
    study.tell(bad, state=TrialState.FAIL)
    (running,) = tried.update(study.get_trials(deepcopy=False))
    assert running.number == early.number
    assert_same(tried, tried_of(study))
    study.tell(early, 0.3)  # finishes after trials of greater numbers
    assert tried.update(study.get_trials(deepcopy=False)) == []
    assert_same(tried, tried_of(study))
    assert tried.values[:4].tolist() == [0.1, 0.2, 0.3, 0.4]
    assert tried.measured.tolist() == [True] * 4 + [False]


def test_another_study_replaces_what_was_kept() -> None:
    tried = tried_of(study_of([0.1, 0.2, 0.3]))
    other = study_of([0.7, 0.8])
    tried.update(other.get_trials(deepcopy=False))
    assert_same(tried, tried_of(other))


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_tpe_is_shown_the_best_and_the_newest(direction: Literal["maximize", "minimize"]) -> None:
    rng = np.random.default_rng(0)
    values = rng.random(MOST + 200).tolist()
    study = optuna.create_study(direction=direction)
    study.add_trials(
        [
            create_trial(params={"a": 1}, distributions={"a": SPACE["a"]}, value=each)
            for each in values
        ]
    )
    running = study.ask()
    shown = _Shown(study)._get_trials(deepcopy=False)
    done = [trial for trial in shown if trial.state == TrialState.COMPLETE]
    assert len(done) == MOST
    assert shown[-1].number == running.number
    order = np.argsort(values) if direction == "minimize" else np.argsort(values)[::-1]
    assert set(order[:BEST].tolist()) <= {trial.number for trial in done}
    assert [t.number for t in shown] == sorted(t.number for t in shown)


def test_of_few_trials_tpe_is_shown_all() -> None:
    study = study_of([0.1, 0.5, 0.3])
    assert _Shown(study)._get_trials() == study.trials
    assert isinstance(SAMPLERS["tpe"](0, None), BoundedTPE)
