"""The engine with trainings that work, fail, hang and take their worker with them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.parallel import Placement, run_jobs
from experiments.session import Session
from experiments.store import RunFolder
from nas.evaluation import Evaluation
from nas.jobs import Job
from search_spaces.spec import ArchSpec
from tests.experiments.parallel.fakes import Listed, fake


def starts(folder: Path, name: str) -> list[str]:
    return (folder / f"{name}.starts").read_text().splitlines()


def test_every_way_that_a_training_can_end(
    session: Session, tiny: ArchSpec, two: Placement, tmp_path: Path
) -> None:
    jobs = [
        *(fake(tmp_path, tiny, f"good{n}", "spin", accuracy=0.5 + n / 100) for n in range(4)),
        fake(tmp_path, tiny, "killed once", "die", times=1),
        fake(tmp_path, tiny, "raises", "fail"),
        fake(tmp_path, tiny, "breaks", "break"),
        fake(tmp_path, tiny, "hangs", "hang", limit=0.5),
        fake(tmp_path, tiny, "last"),
    ]
    source = Listed(jobs)
    with session.folder.timed("search"):
        run_jobs(source, session, replace(two, retries=1))
    good = [name for name in source.found if name.startswith("good")]
    assert sorted(good) == [f"good{n}" for n in range(4)]
    assert [source.found[f"good{n}"].accuracy for n in range(4)] == [0.5, 0.51, 0.52, 0.53]
    assert source.most == 2
    assert {"killed once", "last"} <= set(source.found)
    assert source.errors == {
        "raises": "the loss is nan",
        "breaks": "ValueError: no such thing",
        "hangs": "timed out after 0.5s",
    }
    assert [len(starts(tmp_path, name)) for name in ("killed once", "raises")] == [2, 1]
    assert len(starts(tmp_path, "hangs")) == 1
    assert {session.log.get(name) for name in source.found} == set(source.found.values())
    assert session.log.get("raises") is None
    ledger = json.loads(session.folder.ledger_path.read_text())["search"]
    assert 1.2 <= ledger["cpu"] <= 2 * ledger["wall"] + 60
    processes = {each for name in good for each in starts(tmp_path, name)}
    assert len(processes) <= 2  # kept from one training to the next; one may do all four


@pytest.mark.slow
def test_a_training_that_crashes_its_worker_is_begun_again_so_often(
    session: Session, tiny: ArchSpec, two: Placement, tmp_path: Path
) -> None:
    source = Listed([fake(tmp_path, tiny, "crashes", "crash"), fake(tmp_path, tiny, "good")])
    run_jobs(source, session, replace(two, retries=1))
    assert set(source.found) == {"good"}
    assert source.errors == {
        "crashes": "its worker died 2 times; the last: it was killed, or crashed"
    }
    assert len(starts(tmp_path, "crashes")) == 2


@pytest.mark.slow
def test_a_rung_may_stop_a_training(
    session: Session, tiny: ArchSpec, two: Placement, tmp_path: Path
) -> None:
    better = fake(tmp_path, tiny, "better", accuracy=0.9, rungs=(1, 3))
    worse = fake(tmp_path, tiny, "worse", accuracy=0.1, rungs=(1, 3))
    source = Listed([worse, better, fake(tmp_path, tiny, "next")], stop_below=0.05)
    run_jobs(source, session, two)
    assert [each[:2] for each in sorted(source.rungs)] == [
        ("better", 1), ("better", 3), ("worse", 1),
    ]  # fmt: skip
    assert [each[2] for each in sorted(source.rungs)] == pytest.approx([0.09, 0.27, 0.01])
    assert set(source.found) == {"better", "next"}
    assert not source.errors
    assert not source.left


class Raising(Listed):
    def finished(self, job: Job, evaluation: Evaluation) -> None:
        super().finished(job, evaluation)
        raise LookupError("nobody knows")


@pytest.mark.slow
def test_what_a_source_raises_ends_everything(
    session: Session, tiny: ArchSpec, two: Placement, tmp_path: Path
) -> None:
    jobs = [fake(tmp_path, tiny, "quick"), fake(tmp_path, tiny, "slow", "hang")]
    source = Raising([*jobs, *(fake(tmp_path, tiny, f"later{n}") for n in range(3))])
    with pytest.raises(LookupError, match="nobody knows"):
        run_jobs(source, session, two)
    assert set(source.found) == {"quick"}
    assert source.left == ["slow"]
    assert session.log.get("quick") == source.found["quick"]


def test_what_is_known_is_not_trained_again(
    session: Session, tiny: ArchSpec, two: Placement, tmp_path: Path
) -> None:
    known = Evaluation(0.7, 1, 1, 1.0, 0)
    session.log.add("known", known)
    source = Listed([fake(tmp_path, tiny, "known")])
    run_jobs(source, session, two)
    assert source.found == {"known": known}
    assert not (tmp_path / "known.starts").exists()


def test_a_real_training_gives_what_it_gives_in_this_process(
    session: Session, tiny: ArchSpec, two: Placement, tmp_path: Path
) -> None:
    jobs = [Job(f"seed {seed}", tiny, seed, 1) for seed in (1, 2)]
    source = Listed(jobs)
    run_jobs(source, session, two)
    assert not source.errors
    alone = replace(session, folder=RunFolder(tmp_path / "alone"))
    for job in jobs:
        found = source.found[job.name]
        assert session.evaluate(tiny, seed=job.seed, epochs=1) == found
        own = alone.evaluate(tiny, seed=job.seed, epochs=1)
        assert replace(own, seconds=0) == replace(found, seconds=0)
