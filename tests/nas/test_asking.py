"""A search that one worker serves, or many: the same trials asked for, none trained twice."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from optuna.study import Study
from optuna.trial import TrialState

from nas.asking import Asking
from nas.costs import Costing
from nas.evaluation import Evaluation
from nas.halving import Halving
from nas.jobs import Job, JobSource
from nas.plan import Plan
from nas.samplers import SAMPLERS, sampler_factory
from nas.samplers.known import known_networks
from nas.suggesting import Suggesting
from nas.tally import Budget
from nas.trials import TrialRecord, records
from search_spaces.codec import fingerprint
from search_spaces.errors import RunError
from search_spaces.space import SearchSpace
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
from tests.nas.workers import Clock, Workers


def asking(
    study: Study,
    *,
    space: SearchSpace | None = None,
    sampler: str = "random",
    trials: int = 20,
    budget: Budget | None = None,
    ceiling: float | None = None,
    plan: Plan | None = None,
    **more: Any,
) -> Asking:
    costing = Costing(space or wide_space())
    make = sampler_factory(sampler, known=known_networks(OBJECTIVE, costing, ceiling=ceiling))
    suggesting = Suggesting(study, costing, OBJECTIVE, make, seed=0, ceiling=ceiling)
    return Asking(
        suggesting, OBJECTIVE, budget=budget or Budget(trials), plan=plan or Plan(), **more
    )


def unlike(job: Job) -> float:
    """Takes a time that depends on the network: workers do not end in the order they began."""
    return 1.0 + int(fingerprint(job.spec)[6:9], 16) / 256


def alike(job: Job) -> float:
    return 1.0


def working(
    count: int, fake: Fake, seconds: Callable[[Job], float] = unlike, /, **more: Any
) -> Workers:
    return Workers(count, lambda job: fake(job.spec, seed=job.seed), seconds, **more)


def states(study: Study) -> Counter[TrialState]:
    return Counter(trial.state for trial in study.trials)


def test_a_search_is_a_source_of_jobs() -> None:
    source: JobSource = asking(new_study())
    assert not source.done()


CASES = [
    ("random", 1),
    ("greybox", 16),
    ("tpe", 16),
    ("nsga2", 16),
    *((s, 4) for s in SAMPLERS if s != "ppo"),
]


@pytest.mark.parametrize(("sampler", "count"), CASES)
def test_as_many_networks_are_trained_as_were_asked_for_each_once(sampler: str, count: int) -> None:
    trials = 11 if sampler == "gp" else 24
    study, fake = new_study(), Fake()
    workers = working(count, fake)
    workers.run(asking(study, sampler=sampler, trials=trials))
    found = records(study, wide_space())
    assert len(evaluated(found)) == trials == fake.calls
    assert set(fake.seen.values()) == {1}
    assert workers.most == min(count, trials)
    assert states(study)[TrialState.RUNNING] == 0


def test_one_worker_searches_as_this_process_does() -> None:
    study = new_study()
    working(1, Fake()).run(asking(study, sampler="nsga2", trials=24))
    whole = story(run_search(new_study(), Fake(), sampler="nsga2", trials=24))
    assert story(records(study, wide_space())) == whole


@pytest.mark.parametrize("sampler", ["greybox", "tpe"])
def test_what_is_found_follows_from_the_order_in_which_trials_end(sampler: str) -> None:
    def searched(seconds: Callable[[Job], float]) -> tuple[list[str], list[Any]]:
        study = new_study()
        workers = working(4, Fake(), seconds)
        workers.run(asking(study, sampler=sampler, trials=24))
        return workers.order, story(records(study, wide_space()))

    order, found = searched(unlike)
    assert order != sorted(order, key=lambda name: int(name.split()[-1]))
    assert searched(lambda job: 3 * unlike(job)) == (order, found)
    if sampler == "greybox":
        assert searched(alike)[1] != found


def test_networks_that_are_asked_for_in_one_moment_differ() -> None:
    source = asking(new_study())
    jobs = [source.next() for _ in range(8)]
    assert len({fingerprint(job.spec) for job in jobs if job}) == 8
    assert len({job.name for job in jobs if job}) == 8


@pytest.mark.parametrize("count", [2, 4, 16])
def test_a_network_that_runs_is_waited_for(count: int) -> None:
    study, fake, seen = new_study(), Fake(), list[TrialRecord]()
    working(count, fake).run(asking(study, space=tiny_space(), on_trial=seen.append))
    found = records(study, tiny_space())
    assert fake.calls == 3 == len(evaluated(found))
    assert states(study)[TrialState.RUNNING] == 0
    first = {t.number: t for t in found if t.duplicate_of is None}
    repeats = [t for t in found if t.duplicate_of is not None]
    assert len(repeats) > 20
    assert all(first[t.duplicate_of or 0].reward == t.reward for t in repeats)
    assert sorted(t.number for t in seen) == [t.number for t in found]
    again = Fake()
    working(count, again).run(asking(study, space=tiny_space()))
    assert (again.calls, len(study.trials)) == (0, len(found))  # used up, as it was


def test_those_that_wait_fail_with_the_network() -> None:
    study = new_study()
    working(3, Fake(fail=frozenset({0}))).run(asking(study, space=tiny_space()))
    found = records(study, tiny_space())
    failed = [t for t in found if t.error]
    assert {t.error for t in failed} == {"call 0 went wrong"}
    assert [t.duplicate_of is None for t in failed].count(True) == 1
    assert len(evaluated(found)) == 2


def test_failures_count_in_the_order_in_which_they_come() -> None:
    study, some = new_study(), frozenset({0, 1, 2, 3, 5, 6, 7, 8})
    working(4, Fake(fail=some)).run(asking(study, trials=6))
    assert len(evaluated(records(study, wide_space()))) == 6
    fake = Fake(fail=frozenset(range(2, 100)))
    with pytest.raises(RunError, match="5 trials in a row failed; the last one: call 6 went wrong"):
        working(4, fake).run(asking(new_study()))
    assert fake.calls == 7


def test_an_accuracy_that_is_no_number_is_a_failure() -> None:
    study = new_study()
    source = asking(study, trials=1)
    job = source.next()
    assert job is not None
    source.finished(job, Evaluation(float("nan"), 1, 1, 1.0, job.seed))
    (trial,) = records(study, wide_space())
    assert trial.error == "RunError: its accuracy is nan"


STOPPED = [("greybox", 4), ("nsga2", 4), *(("tpe", count) for count in (1, 4, 16))]


@pytest.mark.parametrize(("sampler", "count"), STOPPED)
@pytest.mark.parametrize("how", ["killed_at", "give_up_at"])
def test_what_was_stopped_goes_on(how: str, sampler: str, count: int) -> None:
    study, finished = new_study(), Counter[str]()
    for stop in (0, 3, 9):
        fake = Fake()
        workers = working(count, fake, **{how: stop})
        workers.run(asking(study, sampler=sampler, trials=18))
        finished += fake.finished
        left = min(count, 18 - sum(finished.values()))
        running = states(study)[TrialState.RUNNING]
        assert (running >= left) if how == "killed_at" else running == 0
    last = Fake()
    working(count, last).run(asking(study, sampler=sampler, trials=18))
    finished += last.finished
    found = records(study, wide_space())
    assert set(finished.values()) == {1}
    assert len(evaluated(found)) == 18 == sum(finished.values())
    assert states(study)[TrialState.RUNNING] == 0
    kept = [t for t in found if t.error != "interrupted"]
    assert len(kept) == len(evaluated(found)) + sum(t.duplicate_of is not None for t in kept)
    if count == 1:
        whole = run_search(new_study(), Fake(), sampler=sampler, trials=18)
        assert story(found) == story(whole)


def test_given_up_are_those_that_wait_as_well() -> None:
    study = new_study()
    working(3, Fake(), give_up_at=0).run(asking(study, space=tiny_space()))
    assert set(states(study)) == {TrialState.FAIL}
    assert {t.error for t in records(study, tiny_space())} == {"interrupted"}
    fake = Fake()
    working(3, fake).run(asking(study, space=tiny_space()))
    assert fake.calls == 3


def test_what_ended_without_the_study_being_told_is_not_trained_again() -> None:
    study, log, fake = new_study(), dict[str, Evaluation](), Fake()

    def train(job: Job) -> Evaluation:
        log[fingerprint(job.spec)] = fake(job.spec, seed=job.seed)
        if len(log) == 7:
            raise KeyboardInterrupt  # in the log of trainings, and no further
        return log[fingerprint(job.spec)]

    with pytest.raises(KeyboardInterrupt):
        Workers(4, train, unlike).run(asking(study))
    assert len(evaluated(records(study, wide_space()))) == 6

    def kept(job: Job) -> Evaluation | None:
        return log.get(fingerprint(job.spec))

    again = Fake()
    working(4, again).run(asking(study, kept=kept))
    found = evaluated(records(study, wide_space()))
    assert len(found) == 20
    assert set(log) <= {t.fingerprint for t in found}
    assert again.calls == 13
    assert states(study)[TrialState.WAITING] == 0


@pytest.mark.parametrize("count", [1, 4, 16])
def test_a_budget_of_time_is_not_overrun(count: int) -> None:
    clock = Clock()
    limited = asking(new_study(), budget=Budget(1000, seconds=10.0), clock=clock)
    workers = working(count, Fake(), alike, clock=clock)
    workers.run(limited)
    assert len(workers.order) == 10 * count

    clock, fake = Clock(), Fake(seconds=1.0)
    study = new_study()
    limited = asking(study, budget=Budget(1000, training=40.0), clock=clock)
    working(count, fake, alike, clock=clock).run(limited)
    assert 40 <= fake.calls < 40 + count
    again = Fake()
    working(count, again).run(asking(study, budget=Budget(1000, training=40.0)))
    assert again.calls == 0


def test_what_is_over_a_limit_needs_no_worker() -> None:
    space, fake = wide_space(), Fake()
    low, high = space.macs_range
    costing = Costing(space, limits={"macs": low + (high - low) / 16})
    study = new_study()
    suggesting = Suggesting(
        study, costing, OBJECTIVE, sampler_factory("random"), seed=0, ceiling=None
    )
    working(4, fake).run(Asking(suggesting, OBJECTIVE, budget=Budget(12), plan=Plan()))
    found = records(study, space)
    assert len(evaluated(found)) == 12 == fake.calls
    assert sum(bool(t.refused) for t in found) > 5


HALVING = Halving(3, 3)
RUNGS = Plan(9, halving=HALVING, rungs=(1, 3))


@pytest.mark.parametrize("count", [1, 4, 16])
def test_trials_that_fall_behind_at_a_rung_are_left(count: int) -> None:
    study, fake = new_study(), Fake(seconds=9.0)
    clock = Clock()
    workers = working(count, fake, clock=clock)
    workers.run(asking(study, plan=RUNGS, trials=40, clock=clock))
    found = [t for t in records(study, wide_space()) if t.duplicate_of is None]
    left = [t for t in found if t.pruned]
    assert len(found) == 40
    assert len(left) > 10
    assert len(left) + len(evaluated(found)) == 40
    assert states(study)[TrialState.RUNNING] == 0
    for trial in left:
        assert (trial.pruned or "").startswith(f"reward {_reward(trial):.4f} at rung ")
        assert trial.seconds and trial.seconds > 0
    assert {len(t.rungs) for t in evaluated(found)} == {3}


def _reward(trial: TrialRecord) -> float:
    return OBJECTIVE(trial.rungs[-1], trial.costs["macs"])


def test_a_rung_that_is_told_twice_says_nothing_new() -> None:
    study = new_study()
    source = asking(study, plan=RUNGS)
    job = source.next()
    assert job is not None
    assert job.rungs == (1, 3)
    assert source.report(job, 1, 0.5)
    assert source.report(job, 2, 0.4)
    assert source.report(job, 1, 0.1)
    assert list(study.trials[0].intermediate_values) == [1]
    source.given_up(job)
    assert not source.report(job, 3, 0.9)
    source.finished(job, Evaluation(0.9, 1, 1, 1.0, 0))  # its last word, on the way when it ended
    assert states(study) == {TrialState.FAIL: 1}


@pytest.mark.parametrize("count", [1, 4, 16])
def test_rungs_may_be_trainings_of_their_own(count: int) -> None:
    study, clock, jobs = new_study(), Clock(), list[Job]()
    plan = Plan(2, 30.0, "it", HALVING, resolutions=(4, 6, 8))

    def train(job: Job) -> Evaluation:
        jobs.append(job)
        share = int(fingerprint(replace(job.spec, resolution=8))[:6], 16) / 0x1000000
        return Evaluation(share / 2, 1, 1, float(job.spec.resolution), job.seed)

    workers = Workers(count, train, unlike, clock=clock)
    workers.run(asking(study, plan=plan, trials=30, clock=clock))
    found = [t for t in records(study, wide_space()) if t.duplicate_of is None]
    assert len(found) == 30
    assert any(t.pruned for t in found)
    assert {t.seconds for t in evaluated(found)} == {18.0}
    assert len({job.name for job in jobs}) == len(jobs) > 30
    for trial in evaluated(found):
        mine = [job for job in jobs if job.name.startswith(f"it {trial.number}, ")]
        assert [job.name.rpartition(", ")[2] for job in mine] == ["rung 1", "rung 2", "rung 3"]
        assert [job.spec.resolution for job in mine] == [4, 6, 8]
        assert [job.limit for job in mine] == [30.0, 26.0, 20.0]
        assert len({job.seed for job in mine}) == 1


def test_what_runs_is_told_when_more_begins() -> None:
    told = list[tuple[str, ...]]()
    working(3, Fake(), alike).run(asking(new_study(), trials=5, on_start=told.append))
    assert told[:3] == [("trial 0",), ("trial 0", "trial 1"), ("trial 0", "trial 1", "trial 2")]
    assert [len(names) for names in told] == [1, 2, 3, 3, 3]
