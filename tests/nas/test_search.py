from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from nas.samplers import SAMPLERS
from nas.search import derive_seed, records
from search_spaces.codec import fingerprint
from search_spaces.errors import RunError
from tests.nas.fakes import (
    OBJECTIVE,
    Fake,
    evaluated,
    new_study,
    run_search,
    story,
    tiny_space,
    wide_space,
)


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_every_sampler_evaluates_as_many_networks_as_were_asked_for(sampler: str) -> None:
    fake = Fake()
    trials = run_search(new_study(), fake, sampler=sampler, trials=25)
    assert len(evaluated(trials)) == 25 == fake.calls
    assert set(fake.seen.values()) == {1}
    assert [t.number for t in trials] == sorted(t.number for t in trials)


def test_a_record_says_what_was_chosen_and_what_came_of_it() -> None:
    space, fake = wide_space(), Fake()
    trials = run_search(new_study(), fake, space=space)
    for trial in evaluated(trials):
        assert trial.evaluation is not None
        spec = space.decode(trial.choices)  # type: ignore[arg-type]
        assert fingerprint(spec) == fingerprint(trial.spec) == trial.fingerprint
        assert trial.spec.name == f"mixed_trial{trial.number}"
        reward = OBJECTIVE(trial.evaluation.accuracy, trial.evaluation.macs)
        assert trial.reward == pytest.approx(reward)
        assert (trial.state, trial.error) == ("complete", None)


def test_a_network_is_trained_with_a_seed_of_its_own_whenever_it_comes_up() -> None:
    fake = Fake()
    trials = run_search(new_study(), fake, seed=3)
    expected = [derive_seed(3, "trial", t.fingerprint) for t in evaluated(trials)]
    assert fake.seeds == expected
    assert len(set(expected)) == len(expected)


def test_other_seeds_search_elsewhere() -> None:
    first = story(run_search(new_study(), Fake(), seed=1))
    assert first == story(run_search(new_study(), Fake(), seed=1))
    assert first != story(run_search(new_study(), Fake(), seed=2))


def test_the_same_network_under_other_choices_takes_the_first_result() -> None:
    fake, space = Fake(), tiny_space()
    trials = run_search(new_study(), fake, space=space, trials=3)
    assert fake.calls == 3 == len(evaluated(trials))
    trials = run_search(new_study(), Fake(), space=space, trials=100)  # all 4 combinations come up
    by_number = {t.number: t for t in trials}
    renamed = [
        t
        for t in trials
        if t.duplicate_of is not None and by_number[t.duplicate_of].choices != t.choices
    ]
    assert renamed, "the fused stage with and without squeeze-excite is one network"
    for trial in renamed:
        assert trial.choices["stage1.kind"] == "fused"
        assert trial.duplicate_of is not None
        first = by_number[trial.duplicate_of]
        assert (trial.reward, trial.evaluation) == (first.reward, first.evaluation)
        assert first.duplicate_of is None


@pytest.mark.parametrize("sampler", sorted(SAMPLERS))
def test_a_space_that_is_used_up_ends_the_search(sampler: str) -> None:
    fake = Fake()
    trials = run_search(new_study(), fake, space=tiny_space(), sampler=sampler, trials=10)
    assert fake.calls == 3 == len(evaluated(trials))
    assert set(fake.seen.values()) == {1}


def test_a_used_up_space_is_not_searched_again() -> None:
    study = new_study()
    before = run_search(study, Fake(), space=tiny_space(), trials=10)
    again = Fake()
    after = run_search(study, again, space=tiny_space(), trials=10)
    assert again.calls == 0
    assert story(after) == story(before)


def test_a_failure_is_recorded_and_the_search_goes_on() -> None:
    fake = Fake(fail=frozenset({1, 4}))
    trials = run_search(new_study(), fake, trials=6)
    failed = [t for t in trials if t.error]
    assert [t.error for t in failed] == [
        "RuntimeError: call 1 went wrong",
        "RuntimeError: call 4 went wrong",
    ]
    assert all((t.state, t.reward, t.evaluation) == ("fail", None, None) for t in failed)
    assert len(evaluated(trials)) == 6
    assert fake.calls == 8


def test_five_failures_in_a_row_stop_the_search() -> None:
    fake = Fake(fail=frozenset(range(2, 100)))
    with pytest.raises(RunError, match=r"5 trials in a row failed.*call 6 went wrong"):
        run_search(new_study(), fake, trials=20)
    assert fake.calls == 7


def test_failures_that_are_not_in_a_row_do_not_stop_it() -> None:
    fake = Fake(fail=frozenset({0, 1, 2, 3, 5, 6, 7, 8}))
    assert len(evaluated(run_search(new_study(), fake, trials=3))) == 3


def test_after_failures_in_a_row_the_same_command_tries_other_networks() -> None:
    study = new_study()
    with pytest.raises(RunError):
        run_search(study, Fake(fail=frozenset(range(100))), trials=4)
    fake = Fake()
    trials = run_search(study, fake, trials=4)
    assert len(evaluated(trials)) == 4 == fake.calls


def test_a_network_that_failed_is_not_tried_again() -> None:
    fake = Fake(fail=frozenset({0}))
    trials = run_search(new_study(), fake, space=tiny_space(), trials=10)
    assert fake.calls == 3
    assert set(fake.seen.values()) == {1}
    repeats = [t for t in trials if t.error and t.duplicate_of is not None]
    assert repeats
    assert {t.error for t in repeats} == {"RuntimeError: call 0 went wrong"}
    assert all(t.evaluation is None for t in repeats)


def test_time_that_is_up_ends_the_search_before_its_trials() -> None:
    fake = Fake()
    assert run_search(new_study(), fake, trials=10, seconds=0) == []
    assert fake.calls == 0
    assert len(evaluated(run_search(new_study(), fake, trials=2, seconds=1e6))) == 2


def test_training_time_that_is_up_ends_the_search_in_whatever_process_it_was_spent() -> None:
    study, first = new_study(), Fake(seconds=10, stop_at=2)
    with pytest.raises(KeyboardInterrupt):
        run_search(study, first, trials=50, training=35)
    again = Fake(seconds=10)
    trials = run_search(study, again, trials=50, training=35)
    assert again.calls == 2, "20 s of 35 were spent before, and a network is trained to its end"
    assert [t.seconds for t in evaluated(trials)] == [10] * 4
    assert story(trials) == story(run_search(new_study(), Fake(), trials=4))
    none = Fake(seconds=10)
    run_search(study, none, trials=50, training=35)
    assert none.calls == 0


def test_what_failed_took_its_time_too(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 7))
    monkeypatch.setattr("nas.search.time.perf_counter", lambda: float(next(clock)))
    fake = Fake(seconds=1, fail=frozenset({0, 2}))
    trials = run_search(new_study(), fake, trials=50, training=9)
    assert [t.seconds for t in trials] == [7, 1, 7]
    assert fake.calls == 3


def test_repeats_take_no_time() -> None:
    fake = Fake(seconds=10)
    trials = run_search(new_study(), fake, space=tiny_space(), trials=50, training=25, seed=3)
    assert len(trials) > len(evaluated(trials)) == 3 == fake.calls


def test_a_larger_budget_goes_on_and_a_smaller_one_changes_nothing() -> None:
    study = new_study()
    first = run_search(study, Fake(), trials=5)
    assert story(run_search(study, Fake(), trials=3)) == story(first)
    fake = Fake()
    longer = story(run_search(study, fake, trials=9))
    assert longer[: len(first)] == story(first)
    assert fake.calls == 4
    assert longer == story(run_search(new_study(), Fake(), trials=9))


def test_trials_left_running_by_a_killed_process_are_given_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(study_name="s", storage=url, direction="maximize")
    study.ask()  # killed before its choices were stored
    with pytest.raises(KeyboardInterrupt):
        run_search(study, Fake(stop_at=2), trials=5)
    states = [t.state for t in study.trials]
    assert states == [TrialState.FAIL, *[TrialState.COMPLETE] * 2, TrialState.RUNNING]
    again = optuna.load_study(study_name="s", storage=url)
    trials = run_search(again, Fake(), trials=5)
    assert TrialState.RUNNING not in [t.state for t in again.trials]
    assert len(evaluated(trials)) == 5
    assert [t.error for t in trials].count("interrupted") == 1
    assert story(trials) == story(run_search(new_study(), Fake(), trials=5))
    assert story(records(again, wide_space())) == story(trials)
