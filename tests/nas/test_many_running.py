"""The grey-box sampler beside very many trials: what it keeps, what it leaves out."""

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState, create_trial

import nas.samplers.greybox
from nas.samplers.columns import Columns
from nas.samplers.greybox import GreyBoxSampler
from nas.samplers.surrogate import FOLLOWED, Surrogate
from tests.nas.test_greybox import CHOICES, KNOWN, SPACE, TASK, reward, trials_of

ROWS = TASK.columns.sample(np.random.default_rng(1), 1500)


def values_of(rows: np.ndarray) -> np.ndarray:
    return np.array([reward(TASK.columns.decode(row)) for row in rows])


def test_of_many_running_trials_those_most_is_expected_of_count() -> None:
    _, first = np.unique(TASK.keys(ROWS), return_index=True)
    rows = ROWS[np.sort(first)]
    done, running = rows[:40], rows[40 : 40 + 2 * FOLLOWED]
    alone = Surrogate(TASK, trials_of(done, values_of(done)))
    beside = Surrogate(TASK, trials_of(done, values_of(done), running))
    mean, before = alone.reward(running)
    _, after = beside.reward(running)
    best = np.argsort(-mean, kind="stable")[:FOLLOWED]
    kept = Surrogate(TASK, trials_of(done, values_of(done), running[np.sort(best)]))
    np.testing.assert_array_equal(after, kept.reward(running)[1])
    assert (after[best] <= before[best]).all()
    assert (after[best] < 0.9 * before[best]).mean() > 0.25  # little was unknown of the others


def test_the_best_expected_are_found_among_the_rows_told_apart() -> None:
    rows = ROWS[:1200]
    surrogate = Surrogate(TASK, trials_of(rows, values_of(rows)))
    some, expected = surrogate.tried()
    assert len(some) < 600
    assert (np.diff(expected) <= 0).all()
    every = np.sort(surrogate.reward(rows, spread=False)[0])[::-1]
    np.testing.assert_allclose(expected[:10], every[:10], rtol=1e-5)


@pytest.mark.parametrize("running", [0, 3, 20])
def test_nothing_that_runs_is_suggested(running: int) -> None:
    study = optuna.create_study(
        direction="maximize", sampler=GreyBoxSampler(seed=0, known=KNOWN, startup=5)
    )
    for number, row in enumerate(ROWS[:25]):
        params = TASK.columns.decode(row)
        kind: dict[str, Any] = {"value": reward(params)}
        if number >= 25 - running:
            kind = {"state": TrialState.RUNNING}
        study.add_trial(create_trial(params=params, distributions=dict(CHOICES), **kind))
    before = {_name(trial.params) for trial in study.trials}
    asked = [_name(study.ask(dict(CHOICES)).params) for _ in range(12)]
    assert len({*asked}) == 12
    assert not before & {*asked}


def _name(params: dict[str, Any]) -> tuple[int, ...]:
    return tuple(SPACE.canonical(SPACE.encode(params)[None])[0].tolist())


def test_an_ask_reads_each_trial_once(monkeypatch: pytest.MonkeyPatch) -> None:
    held = list[int]()

    class Counting(Columns):
        def holds(self, params: Any) -> bool:
            held.append(len(params))
            return super().holds(params)

    nas.samplers.greybox._known_task.cache_clear()
    monkeypatch.setattr(nas.samplers.greybox, "Columns", Counting)
    study = optuna.create_study(
        direction="maximize", sampler=GreyBoxSampler(seed=0, known=KNOWN, startup=50)
    )
    for _ in range(12):
        trial = study.ask(dict(CHOICES))
        study.tell(trial, reward(trial.params))
    nas.samplers.greybox._known_task.cache_clear()
    assert sum(len(CHOICES) == count for count in held) == 11
