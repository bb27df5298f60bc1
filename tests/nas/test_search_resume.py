"""A search that was stopped anywhere and started again is the search that was never stopped."""

from collections import Counter
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.study import Study

from nas.samplers import SAMPLERS
from tests.nas.fakes import Fake, new_study, run_search, story, tiny_space

TRIALS = {"gp": 14}  # past its ten random trials; each later one takes a while
STOPS = (0, 4, 11, 12, 20, 21)  # NSGA-II's second generation starts at 20


def trials_of(sampler: str) -> int:
    return TRIALS.get(sampler, 26)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_a_search_stopped_while_evaluating_goes_on_as_if_it_never_had(sampler: str) -> None:
    count = trials_of(sampler)
    whole = story(run_search(new_study(), Fake(), sampler=sampler, trials=count))
    study, finished = new_study(), Counter[str]()
    for stop in (stop for stop in STOPS if stop < count):
        fake = Fake(stop_at=stop - sum(finished.values()))
        with pytest.raises(KeyboardInterrupt):
            run_search(study, fake, sampler=sampler, trials=count)
        finished += fake.finished
    last = Fake()
    trials = run_search(study, last, sampler=sampler, trials=count)
    finished += last.finished
    assert story(trials) == whole
    assert set(finished.values()) == {1}, "no finished network is evaluated again"
    assert sum(finished.values()) == count


@pytest.mark.parametrize("sampler", ["nsga2", "tpe"])
@pytest.mark.parametrize("told", [0, 3, 21])
def test_a_search_stopped_before_it_could_tell_the_study(
    sampler: str, told: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = story(run_search(new_study(), Fake(), sampler=sampler, trials=24))
    study = new_study()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_telling(study, told, patch)
        run_search(study, Fake(), sampler=sampler, trials=24)
    assert story(run_search(study, Fake(), sampler=sampler, trials=24)) == whole


@pytest.mark.parametrize("told", range(0, 40, 7))
def test_a_search_stopped_at_a_duplicate(told: int, monkeypatch: pytest.MonkeyPatch) -> None:
    fails = frozenset({1})
    whole = story(run_search(new_study(), Fake(fail=fails), space=tiny_space(), trials=10))
    study, fake = new_study(), Fake(fail=fails)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        stop_telling(study, told, patch)
        run_search(study, fake, space=tiny_space(), trials=10)
    fake.calls -= 1 if told < 3 else 0  # the network that was not told is asked for again
    again = run_search(study, fake, space=tiny_space(), trials=10)
    assert [s for s in story(again) if s[1] is not None] == [s for s in whole if s[1] is not None]


def test_a_study_in_a_file_goes_on_in_another_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    whole = story(run_search(new_study(), Fake(), sampler="nsga2", trials=21))
    for stop in (3, 17):
        study = optuna.create_study(
            study_name="s", storage=url, direction="maximize", load_if_exists=True
        )
        with pytest.raises(KeyboardInterrupt):
            run_search(study, Fake(stop_at=stop), sampler="nsga2", trials=21)
    study = optuna.load_study(study_name="s", storage=url)
    assert story(run_search(study, Fake(), sampler="nsga2", trials=21)) == whole


def stop_telling(study: Study, after: int, patch: pytest.MonkeyPatch) -> None:
    """Makes `study` stop the process when it is told of a trial for the last time."""
    tell, told = study.tell, 0

    def stop(*args: Any, **kwargs: Any) -> Any:
        nonlocal told
        if told == after:
            raise KeyboardInterrupt
        told += 1
        return tell(*args, **kwargs)

    patch.setattr(study, "tell", stop)
