"""A search on many workers, simulated: what goes in comes out, and known cases give known times."""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest

from experiments.studies.simulation import Course, Fleet, simulate
from search_spaces.errors import InputError

Array = np.ndarray


class Even:
    """Takes equally long over each ask, and keeps what it was told."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.asked, self.told = list[int](), list[int]()

    def ask(self, trial: int) -> float:
        self.asked.append(trial)
        return self.seconds

    def tell(self, trial: int) -> None:
        self.told.append(trial)


TIMES = np.random.default_rng(0).gamma(4, 10, size=300).tolist()
ROUGH = Fleet(workers=21, node=4, losses=400, away=30, slow=0.3, slowness=2)


@pytest.fixture(params=[None, 21, 40], ids=["asynchronous", "generations", "larger generations"])
def course(request: pytest.FixtureRequest) -> Course:
    return simulate(ROUGH, TIMES, Even(0.3), generation=request.param, seed=1)


def test_every_trial_ends_once_and_what_was_lost_is_tried_again(course: Course) -> None:
    ended = [each.trial for each in course.attempts if each.finished]
    assert sorted(ended) == list(range(len(TIMES)))
    lost = Counter(each.trial for each in course.attempts if not each.finished)
    assert lost
    last = {each.trial: each.end for each in course.attempts if each.finished}
    for each in course.attempts:
        assert each.end <= last[each.trial]


def test_an_attempt_takes_as_long_as_its_training_does_on_its_worker(course: Course) -> None:
    factors = defaultdict(set)
    for each in course.attempts:
        factor = (each.end - each.start) / TIMES[each.trial]
        if each.finished:
            factors[each.worker // ROUGH.node].add(round(factor, 9))
        else:
            assert factor < 2
    assert all(len(found) == 1 for found in factors.values())
    assert Counter(next(iter(found)) for found in factors.values()) == {1.0: 4, 2.0: 2}


def test_no_worker_does_two_things_at_a_time(course: Course) -> None:
    spans = defaultdict(list)
    for each in course.attempts:
        spans[each.worker].append((each.start, each.end))
    for worker, start, end in course.absences:
        spans[worker].append((start, end))
    for ordered in map(sorted, spans.values()):
        assert ordered[0][0] >= 0
        assert ordered[-1][1] <= course.seconds
        assert all(one[1] <= other[0] + 1e-9 for one, other in itertools.pairwise(ordered))


def test_time_adds_up_at_every_moment(course: Course) -> None:
    for until in (*np.linspace(1, course.seconds, 7).tolist(), None):
        shares = course.shares(until)
        parts = (shares.useful, shares.lost, shares.away, shares.idle)
        assert min(parts) >= -1e-6
        assert sum(parts) == pytest.approx(21 * (until or course.seconds))
        assert 0 <= shares.utilisation <= 1
    whole = course.shares()
    finished = [each for each in course.attempts if each.finished]
    assert whole.useful == pytest.approx(sum(each.end - each.start for each in finished))
    assert whole.lost > 0
    assert whole.away > 0


def test_the_same_seed_gives_the_same() -> None:
    one, two, other = (simulate(ROUGH, TIMES, Even(0.3), seed=seed) for seed in (1, 1, 2))
    assert one.attempts == two.attempts
    assert one.absences == two.absences
    assert one.attempts != other.attempts


def test_a_generation_is_asked_for_once_the_one_before_has_ended() -> None:
    class Noting(Even):
        def ask(self, trial: int) -> float:
            assert trial // 6 == len(self.told) // 6
            return super().ask(trial)

    asker = Noting()
    simulate(Fleet(workers=4), [1.0, 2.0, 3.0] * 4, asker, generation=6, seed=0)
    assert asker.asked == list(range(12))


@pytest.mark.parametrize("generation", [None, 10])
def test_equal_times_and_asks_that_take_none_leave_nobody_idle(generation: int | None) -> None:
    course = simulate(Fleet(workers=10), [7.0] * 40, Even(), generation=generation, seed=0)
    assert course.seconds == pytest.approx(4 * 7)
    assert course.shares().utilisation == pytest.approx(1)
    course = simulate(Fleet(workers=10), [7.0] * 35, Even(), generation=generation, seed=0)
    assert course.shares().utilisation == pytest.approx(35 / 40)


def test_asks_that_take_time() -> None:
    workers, rounds, train, ask = 10, 4, 7.0, 0.1
    fleet, times = Fleet(workers=workers), [train] * (workers * rounds)
    free = simulate(fleet, times, Even(ask), seed=0)  # each waits for its own ask only
    assert free.seconds == pytest.approx(workers * ask + rounds * train + (rounds - 1) * ask)
    together = simulate(fleet, times, Even(ask), generation=workers, seed=0)
    assert together.seconds == pytest.approx(rounds * (workers * ask + train))
    held_up = simulate(fleet, times, Even(2.0), seed=0)  # more workers than it can ask for
    assert held_up.seconds == pytest.approx(workers * rounds * 2.0 + train)
    for course in (free, together, held_up):
        busy = workers * rounds * train / (workers * course.seconds)
        assert course.shares().utilisation == pytest.approx(busy)


def test_generations_wait_for_stragglers_and_workers_on_their_own_do_not() -> None:
    fleet = Fleet(workers=16, node=4, slow=0.25, slowness=3)
    together = simulate(fleet, [5.0] * 160, Even(), generation=16, seed=0)
    assert together.seconds == pytest.approx(10 * 15)
    assert together.shares().utilisation == pytest.approx((12 + 4 * 3) / (16 * 3))
    alone = simulate(fleet, [5.0] * 160, Even(), seed=0)
    assert alone.shares(alone.given_out).utilisation == pytest.approx(1)


def test_a_training_ends_at_its_timeout() -> None:
    course = simulate(Fleet(workers=1), [5.0, 50.0], Even(), timeout=20.0, seed=0)
    assert course.seconds == 25


def test_what_a_loss_wastes_is_half_a_training_in_the_mean() -> None:
    fleet = Fleet(workers=64, node=1, losses=200, away=0.01)
    course = simulate(fleet, [10.0] * 8000, Even(), seed=0)
    lost = [each for each in course.attempts if not each.finished]
    assert len(lost) == pytest.approx(64 * course.seconds / 200, rel=0.2)
    assert course.shares().lost / len(lost) == pytest.approx(5.0, rel=0.1)


@pytest.mark.parametrize(
    ("fleet", "times", "message"),
    [
        ({"workers": 0}, [1.0], "0 workers in nodes of 8"),
        ({"workers": 4, "slow": 2.0}, [1.0], r"the share must be in \[0, 1\]"),
        ({"workers": 4, "slow": 0.5, "slowness": 0.5}, [1.0], "the factor at least 1"),
        ({"workers": 4}, [], "training times are wanted"),
        ({"workers": 4}, [1.0, 0.0], "all of them positive"),
        ({"workers": 4, "losses": 10.0}, [51.0], "hardly ever ends on a node"),
    ],
)
def test_what_cannot_be_simulated(
    fleet: dict[str, float], times: list[float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        simulate(Fleet(**fleet), times, Even(), seed=0)  # type: ignore[arg-type]


def test_a_fleet_that_is_never_lost_has_no_absences() -> None:
    course = simulate(Fleet(workers=3, losses=math.inf), TIMES[:20], Even(), seed=0)
    assert not course.absences
    assert len(course.attempts) == 20
