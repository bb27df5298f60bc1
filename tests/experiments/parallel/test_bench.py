"""`nas bench parallel`: the clock of its sources, and its rows."""

import pytest

from experiments.bench.warming import Listed, Warmed, Warming
from nas.evaluation import Evaluation
from nas.jobs import Job
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec
from tests.conftest import Caller
from tests.nas.workers import Clock, Workers


def warming(spec: ArchSpec) -> Warming:
    return Warming(lambda number: Job(f"warm-up {number}", spec, number, 1), 2)


def test_the_clock_runs_from_when_all_are_warm_to_the_last_end(tiny: ArchSpec) -> None:
    clock, jobs = Clock(), [Job(f"training {n}", tiny, n, 1) for n in range(6)]
    source = Warmed(warming(tiny), Listed(jobs), clock=clock)

    def train(job: Job) -> Evaluation:
        process = 7 if job.seed < 3 else 8  # the second worker comes up with the third warm-up
        return Evaluation(0.5, 1, 1, 1.5, process)

    def seconds(job: Job) -> float:
        return 7.0 + job.seed if job.name.startswith("warm") else 2.0

    workers = Workers(2, train, seconds, clock=clock)
    workers.run(source)
    assert [name.split()[0] for name in workers.order] == ["warm-up"] * 4 + ["training"] * 6
    assert source.begun == 20.0
    assert source.wall == 6.0
    assert source.seconds == [1.5] * 6
    assert source.overhead(2) == pytest.approx(0.5)


def test_workers_that_do_not_come_up_end_the_bench(tiny: ArchSpec) -> None:
    workers = Workers(2, lambda job: Evaluation(0.5, 1, 1, 1.5, 7), lambda job: 1.0)
    with pytest.raises(RunError, match="only 1 of 2 workers came up"):
        workers.run(Warmed(warming(tiny), Listed([])))


@pytest.mark.slow
def test_the_bench_at_its_smallest(call: Caller) -> None:
    words = ("--jobs", 2, "--trials", 3, "--repeats", 1, "--seconds", "0.1s", "--limit", 200)
    done = call("bench", "parallel", *words, "--search-epochs", 1, "--json")
    assert done.status == 0, done.err
    one, several, ratio, beside = done.document["parallel"]
    assert one["what"].endswith("1 at once: s")
    assert ratio["median"] == pytest.approx(one["median"] / several["median"], rel=0.02)
    assert beside["n"] == 1
    assert "a trial of 3 by greybox" in beside["what"]
