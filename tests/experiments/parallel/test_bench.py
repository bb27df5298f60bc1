"""`nas bench parallel`: the clock of its sources, and its rows."""

import pytest

from experiments.bench.parallel import Listed, Warmed
from nas.evaluation import Evaluation
from nas.jobs import Job
from search_spaces.spec import ArchSpec
from tests.conftest import Caller
from tests.nas.workers import Clock, Workers


def jobs(spec: ArchSpec, name: str, count: int) -> list[Job]:
    return [Job(f"{name} {number}", spec, number, 1) for number in range(count)]


def test_the_clock_runs_from_when_all_are_warm_to_the_last_end(tiny: ArchSpec) -> None:
    clock = Clock()
    source = Warmed(
        Listed(jobs(tiny, "warm-up", 3)), Listed(jobs(tiny, "training", 6)), clock=clock
    )

    def train(job: Job) -> Evaluation:
        return Evaluation(0.5, 1, 1, 1.5, job.seed)

    def seconds(job: Job) -> float:
        return 7.0 + job.seed if job.name.startswith("warm") else 2.0

    workers = Workers(2, train, seconds, clock=clock)
    workers.run(source)
    assert [name.split()[0] for name in workers.order] == ["warm-up"] * 3 + ["training"] * 6
    assert source.begun == 16.0
    assert source.wall == 6.0
    assert source.seconds == [1.5] * 6
    assert source.overhead(2) == pytest.approx(0.5)


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
