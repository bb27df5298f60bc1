"""Networks over a hard limit: recorded, never trained, learnt from."""

import numpy as np
import pytest
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import TrialState

from nas.confirmation import confirm
from nas.costs import Costing
from nas.objective import Objective
from nas.samplers import sampler_factory
from nas.search import Budget, SamplerFactory, TrialRecord, records, search
from search_spaces.errors import InputError, RunError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec
from tests.nas.fakes import OBJECTIVE, Fake, evaluated, new_study, story, wide_space


def params_limit(space: SearchSpace, share: float) -> dict[str, float]:
    """Gives a limit that about a `share` of the space keeps."""
    rows = space.sample_encoded(np.random.default_rng(0), 4000)
    params = Costing(space).encoded(rows, "params")
    return {"params": float(np.quantile(params, share))}


def limited(
    fake: Fake,
    costing: Costing,
    *,
    trials: int = 10,
    sampler: SamplerFactory | None = None,
    objective: Objective = OBJECTIVE,
    study: object = None,
) -> list[TrialRecord]:
    return search(
        study or new_study(),  # type: ignore[arg-type]
        costing.space,
        fake,
        objective,
        sampler=sampler or sampler_factory("random"),
        budget=Budget(trials),
        costing=costing,
    )


@pytest.mark.parametrize("sampler", ["nsga2", "random", "tpe"])
def test_networks_over_a_limit_are_recorded_and_never_trained(sampler: str) -> None:
    space, fake = wide_space(), Fake()
    costing = Costing(space, limits=params_limit(space, 0.2))
    trials = limited(fake, costing, trials=15, sampler=sampler_factory(sampler))
    refused = [t for t in trials if t.refused]
    assert len(evaluated(trials)) == 15 == fake.calls
    assert refused
    for trial in trials:
        assert (trial.state == "refused") == bool(trial.refused)
        assert bool(trial.refused) == (trial.costs["params"] > costing.limits["params"])
    for trial in refused:
        assert (trial.evaluation, trial.reward, trial.error) == (None, None, None)
        assert "is over the limit of params" in (trial.refused or "")


def test_tpe_learns_what_is_refused() -> None:
    space = wide_space()
    costing = Costing(space, limits=params_limit(space, 0.2))

    def share(sampler: str) -> float:
        trials = limited(Fake(), costing, trials=30, sampler=sampler_factory(sampler))
        return sum(bool(t.refused) for t in trials) / len(trials)

    assert share("tpe") < 0.75 * share("random")


def test_refused_networks_are_no_failures() -> None:
    space = wide_space()
    costing = Costing(space, limits=params_limit(space, 0.05))
    trials = limited(Fake(fail=frozenset({1, 2, 3, 4})), costing, trials=3)
    assert sum(t.error is not None for t in trials) == 4
    assert sum(bool(t.refused) for t in trials) > 10
    with pytest.raises(RunError, match="5 trials in a row failed"):
        limited(Fake(fail=frozenset(range(1, 6))), costing, trials=3)


class Stubborn(RandomSampler):
    """Suggests the first option of everything, whatever came of it."""

    def sample_independent(self, study, trial, param_name, param_distribution):  # type: ignore[no-untyped-def]
        return param_distribution.choices[-1]


def stubborn(_: int) -> BaseSampler:
    return Stubborn()


def test_a_sampler_that_brings_up_nothing_allowed_gives_way_to_draws_that_are() -> None:
    space = wide_space()
    costing = Costing(space, limits=params_limit(space, 0.01))
    trials = limited(Fake(), costing, trials=3, sampler=stubborn)
    assert len(evaluated(trials)) == 3
    refused = [t for t in trials if t.refused]
    assert [t.duplicate_of for t in refused] == [None] + [0] * (len(refused) - 1)


def test_a_stopped_search_goes_on_as_if_it_had_not_been() -> None:
    space = wide_space()
    costing = Costing(space, limits=params_limit(space, 0.02))
    whole = story(limited(Fake(), costing, trials=6))
    study = new_study()
    with pytest.raises(KeyboardInterrupt):
        limited(Fake(stop_at=3), costing, trials=6, study=study)
    assert story(limited(Fake(), costing, trials=6, study=study)) == whole


def test_a_measured_limit_that_nothing_keeps_ends_the_search() -> None:
    space, timed = wide_space(), list[str]()

    def slow(spec: ArchSpec) -> float:
        timed.append(spec.name)
        return 0.5

    costing = Costing(space, meters={"latency": slow}, limits={"latency": 0.1})
    study = new_study()
    with pytest.raises(RunError, match=r"200 networks in a row .* latency 500 ms is over"):
        limited(Fake(), costing, study=study)
    assert len(timed) == 200
    assert {t.state for t in study.trials} == {TrialState.PRUNED}


def test_measured_costs_are_taken_once_a_network_and_weighed() -> None:
    space, timed = wide_space(), list[str]()

    def latency(spec: ArchSpec) -> float:
        timed.append(spec.name)
        return 0.001 * len(timed)

    objective = Objective("hard", 0.002, cost="latency")
    costing = Costing(space, meters={"latency": latency})
    trials = limited(Fake(), costing, trials=4, objective=objective)
    assert [t.costs["latency"] for t in evaluated(trials)] == [0.001, 0.002, 0.003, 0.004]
    for trial in evaluated(trials):
        assert trial.evaluation is not None
        factor = min(1, 0.002 / trial.costs["latency"])
        assert trial.reward == pytest.approx(trial.evaluation.accuracy * factor)
    confirmed = confirm(trials, Fake(), objective, count=4, repeats=1)
    assert len(timed) == 4
    for one in confirmed:
        factor = min(1, 0.002 / one.record.costs["latency"])
        assert one.mean_reward == pytest.approx(one.evaluations[1].accuracy * factor)


def test_a_measurement_that_fails_is_a_failed_trial() -> None:
    def broken(spec: ArchSpec) -> float:
        raise RunError("it does not fit in the memory")

    space, study = wide_space(), new_study()
    with pytest.raises(RunError, match="5 trials in a row failed"):
        limited(Fake(), Costing(space, meters={"step_time": broken}), study=study)
    assert {t.error for t in records(study, space)} == {"RunError: it does not fit in the memory"}


def test_a_reward_of_the_user_that_makes_no_sense_stops_the_search_and_keeps_the_trials() -> None:
    seen = list[float]()

    def third_is_none(accuracy: float, costs: object) -> float:
        seen.append(accuracy)
        return accuracy if len(seen) < 3 else None  # type: ignore[return-value]

    objective = Objective("mine:third", plugin=third_is_none)
    study, costing = new_study(), Costing(wide_space())
    with pytest.raises(InputError, match="mine:third returned None"):
        limited(Fake(), costing, objective=objective, study=study)
    assert len(evaluated(records(study, costing.space))) == 2
    good = Objective("mine:good", plugin=lambda accuracy, costs: accuracy)
    assert len(evaluated(limited(Fake(), costing, objective=good, study=study))) == 10
