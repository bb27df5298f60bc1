"""Successive halving: who goes on, what is kept of who does not, and what is never trained."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import optuna
import pytest
from optuna.study import Study
from optuna.trial import TrialState, create_trial

from nas.costs import Costing
from nas.evaluation import Evaluation
from nas.halving import Halving, Staged
from nas.objective import Objective
from nas.samplers import sampler_factory
from nas.samplers.known import known_networks
from nas.samplers.rungs import believed
from nas.search import Budget, TrialRecord, records, search
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from tests.nas.fakes import OBJECTIVE, evaluated, new_study, story, wide_space

HALVING = Halving(3, 3)
FAR = Objective("soft", 2e6, 0.0)  # its reward is the accuracy


class Curves:
    """Scores a network by its fingerprint, ever more nearly; a whole training takes 9 seconds."""

    def __init__(self, *, stop_at: int | None = None, fail_at: int | None = None) -> None:
        self.stop_at, self.fail_at = stop_at, fail_at
        self.calls, self.rungs = 0, Counter[int]()

    def __call__(
        self, spec: ArchSpec, *, seed: int, report: Callable[[Evaluation], None]
    ) -> Evaluation:
        call, self.calls = self.calls, self.calls + 1
        counted, share = cost(spec), int(fingerprint(spec)[:6], 16) / 0x1000000
        for rung, seconds in enumerate((1.0, 3.0, 9.0)):
            self.rungs[rung] += 1
            accuracy = 0.1 * rung + 0.5 * share
            found = Evaluation(accuracy, counted.macs, counted.params, seconds, seed)
            try:
                if rung < 2:
                    report(found)
            finally:  # after the study was told of the rung, whatever it says of that
                if (call, rung) == (self.stop_at, 0):
                    raise KeyboardInterrupt
                if (call, rung) == (self.fail_at, 0):
                    raise RuntimeError("it went wrong")
        return found


def halved(
    curves: Curves,
    *,
    study: Study | None = None,
    sampler: str = "random",
    objective: Objective = OBJECTIVE,
    trials: int = 30,
    training: float | None = None,
    ceiling: float | None = None,
) -> list[TrialRecord]:
    space = wide_space()
    known = known_networks(objective, Costing(space), ceiling=ceiling)
    return search(
        study or new_study(),
        space,
        Staged(curves, HALVING),
        objective,
        sampler=sampler_factory(sampler, known=known),
        budget=Budget(trials, training=training),
        ceiling=ceiling,
    )


@pytest.mark.parametrize(("rungs", "reduction"), [(1, 3), (3, 1), (0, 2)])
def test_what_is_no_halving_is_refused(rungs: int, reduction: int) -> None:
    with pytest.raises(InputError, match="must be at least 2"):
        Halving(rungs, reduction)


def test_rungs_grow_to_the_whole() -> None:
    assert HALVING.shares == pytest.approx((1 / 9, 1 / 3, 1))
    assert HALVING.steps == (1, 3, 9)


def test_a_trial_goes_on_when_it_is_among_the_best_third_at_its_rung() -> None:
    curves, study = Curves(), new_study()
    trials = halved(curves, study=study)
    assert curves.rungs[0] == 30 == len([t for t in trials if t.duplicate_of is None])
    assert curves.rungs[0] > 2 * curves.rungs[1] > 2 * curves.rungs[2] > 0
    at = dict[int, list[float]]({1: [], 3: []})
    for trial in study.trials:
        for step in (1, 3):
            if (value := trial.intermediate_values.get(step)) is None:
                break
            at[step].append(value)
            best = sorted(at[step])[-max(1, len(at[step]) // 3)]
            assert (value >= best) == (trial.last_step != step)


def test_what_was_left_is_pruned_with_its_reason_and_its_time_and_is_no_failure() -> None:
    study, objective = new_study(), Objective("soft", 2e6)
    trials = halved(Curves(), study=study, objective=objective)
    left = [t for t in trials if t.pruned]
    assert len(left) > 10
    for trial in left:
        assert (trial.state, trial.evaluation, trial.reward) == ("pruned", None, None)
        assert (trial.error, trial.refused) == (None, None)
        assert trial.seconds == {1: 1.0, 2: 3.0}[len(trial.rungs)]
        factor = objective(1.0, trial.costs["macs"])
        told = study.trials[trial.number].intermediate_values
        assert list(told.values()) == pytest.approx([a * factor for a in trial.rungs])
        reward = f"reward {trial.rungs[-1] * factor:.4f} at rung {len(trial.rungs)} of 3 "
        assert (trial.pruned or "").startswith(reward)
    whole = evaluated(trials)
    assert {len(t.rungs) for t in whole} == {3}
    assert {t.seconds for t in whole} == {9.0}


def test_what_was_left_has_been_spent() -> None:
    trials = halved(Curves(), trials=1000, training=40.0)
    spent = [t.seconds or 0.0 for t in trials if t.duplicate_of is None]
    assert sum(spent) >= 40 > sum(spent[:-1])
    assert any(t.pruned for t in trials)


@pytest.mark.parametrize("sampler", ["greybox", "random", "tpe"])
def test_a_killed_search_goes_on_as_if_it_had_not_been(sampler: str) -> None:
    trials = 24

    def told(records: list[TrialRecord]) -> list[tuple[object, ...]]:
        mine = [r for r in records if r.error != "interrupted"]
        return [(*one, r.rungs) for one, r in zip(story(records), mine, strict=True)]

    whole = told(halved(Curves(), sampler=sampler, trials=trials))
    study = new_study()
    with pytest.raises(KeyboardInterrupt):
        halved(Curves(stop_at=20), study=study, sampler=sampler, trials=trials)
    assert told(halved(Curves(), study=study, sampler=sampler, trials=trials)) == whole


def test_a_failure_after_a_rung_is_a_failure_and_is_compared_with_no_more() -> None:
    study = new_study()
    trials = halved(Curves(fail_at=2), study=study)
    assert [t.number for t in trials if t.error] == [2]
    assert trials[2].error == "RuntimeError: it went wrong"


def test_the_network_of_a_left_trial_is_not_trained_again() -> None:
    curves, study, space = Curves(), new_study(), wide_space()
    left = next(t for t in halved(curves, study=study) if t.pruned)
    study.enqueue_trial(left.choices)
    before = curves.calls
    again = halved(curves, study=study, trials=31)
    twice = [t for t in again if t.duplicate_of == left.number]
    assert twice
    assert (twice[0].state, twice[0].pruned) == ("pruned", left.pruned)
    assert curves.calls - before == 31 - 30
    assert len(records(study, space)) == len(again)


def test_a_network_that_cannot_win_is_never_trained() -> None:
    objective = Objective("hard", 1.5e6)
    curves, study = Curves(), new_study()
    trials = halved(curves, study=study, objective=objective, ceiling=1.0, trials=12)
    refused = [t for t in trials if t.refused and t.duplicate_of is None]
    assert refused
    best = -1.0
    for trial in trials:
        most = objective(1.0, trial.costs["macs"])
        assert bool(trial.refused) == (most < best)
        best = max(best, trial.reward or best)
    assert curves.calls == 12 == sum(not t.refused and t.duplicate_of is None for t in trials)
    text = refused[0].refused or ""
    assert text.startswith("cannot win: at most reward 0.")
    assert {study.trials[t.number].state for t in refused} == {TrialState.PRUNED}


def test_greybox_suggests_nothing_that_cannot_win() -> None:
    objective, trials = Objective("hard", 1.5e6), 12
    random = halved(Curves(), objective=objective, ceiling=1.0, trials=trials)
    greybox = halved(Curves(), objective=objective, ceiling=1.0, trials=trials, sampler="greybox")
    assert sum(bool(t.refused) for t in random) > 10
    assert not [t for t in greybox if t.refused]


def test_what_could_win_is_never_refused() -> None:
    trials = halved(Curves(), objective=FAR, ceiling=1.0)
    assert not [t for t in trials if t.refused]


def test_a_reward_that_no_factor_gives_bounds_nothing() -> None:
    own = Objective("own:reward", plugin=lambda accuracy, costs: -costs["macs"])
    assert not [t for t in halved(Curves(), objective=own, ceiling=1.0) if t.refused]


def test_a_search_of_which_nothing_can_win_any_more_ends() -> None:
    trials = halved(Curves(), trials=1000, objective=FAR, ceiling=0.2)
    assert len([t for t in trials if not t.refused]) < 20
    assert all((t.refused or "").startswith("cannot win") for t in trials[-20:])


@pytest.mark.parametrize("ceiling", [0.0, 1.01, float("nan")])
def test_a_ceiling_is_an_accuracy(ceiling: float) -> None:
    with pytest.raises(InputError, match="must be an accuracy above 0, up to 1"):
        halved(Curves(), ceiling=ceiling)


def _frozen(told: dict[int, float], value: float | None = None) -> optuna.trial.FrozenTrial:
    state = TrialState.PRUNED if value is None else TrialState.COMPLETE
    return create_trial(state=state, value=value, intermediate_values=told)


def test_a_rung_lets_expect_what_others_past_it_ended_with() -> None:
    done = [_frozen({1: 2 * x, 3: 0.0}, 2 * (0.2 + 0.5 * x)) for x in (0.1, 0.2, 0.3, 0.4, 0.5)]
    left = [_frozen({1: 0.12}), _frozen({1: 0.3, 3: 0.1}), _frozen({9: 0.3})]
    found, deviations = believed(left, np.array([0.5, 1.0, 1.0]), done, np.full(5, 2.0))
    assert found[0] == pytest.approx(0.5 * (0.2 + 0.5 * 0.24))
    assert found[1] == pytest.approx(0.35)  # a rung at which all were equal tells their mean
    assert np.isnan(found[2])
    assert deviations[0] == pytest.approx(0, abs=1e-7)  # five on a line
    assert np.isnan(believed(left, np.ones(3), done[:4], np.full(4, 2.0))[0]).all()


def test_a_rung_that_speaks_against_the_end_is_not_believed() -> None:
    done = [_frozen({1: x}, 1 - x) for x in (0.1, 0.2, 0.3, 0.4, 0.5)]
    found, deviations = believed([_frozen({1: 0.9})], np.ones(1), done, np.ones(5))
    assert found == pytest.approx(0.7)
    ends = np.array([float(trial.value or 0) for trial in done])
    assert deviations == pytest.approx((((ends - 0.7) ** 2).sum() / 3) ** 0.5)
