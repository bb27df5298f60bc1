"""Lists of trainings done in parallel ahead of the code that wants them one after another.

That code stays as it is: it looks up what has been trained, and is told of a failure that has
happened here as if it had happened there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from experiments.parallel.engine import Ground, run_prepared
from experiments.parallel.placement import Placement
from experiments.parallel.work import Prepared
from experiments.progress import Reporter
from nas.evaluation import Evaluation
from nas.jobs import Job

if TYPE_CHECKING:
    from experiments.session import Session

__all__ = ["prefetch", "train_ahead"]


class _Listed:
    """Hands out a list of jobs; remembers what failed, by key."""

    def __init__(
        self, jobs: Sequence[Prepared], work: Mapping[str, float], reporter: Reporter
    ) -> None:
        self.todo, self.work, self.reporter = list(jobs), work, reporter
        self.running: dict[str, str] = {}
        self.failures: dict[str, str] = {}
        self.done_work = 0.0

    def next(self) -> Job | None:
        """Returns the next of the list."""
        if not self.todo:
            return None
        job = self.todo.pop(0)
        self.running[job.key] = job.name
        self._say()
        return job

    def done(self) -> bool:
        """Tells whether the list has ended."""
        return not self.todo and not self.running

    def report(self, job: Job, epoch: int, accuracy: float) -> bool:
        """Lets every training go on."""
        return True

    def finished(self, job: Job, evaluation: Evaluation) -> None:
        """Moves the bar."""
        work = self.work[self._ended(job)]
        self.done_work += work
        self.reporter.done(work, f"{job.name}: accuracy {evaluation.accuracy:.1%}")
        self._say()

    def failed(self, job: Job, error: str) -> None:
        """Remembers the error."""
        self.failures[self._ended(job)] = error
        self._say()

    def given_up(self, job: Job) -> None:
        """Forgets the job."""
        self._ended(job)

    def _ended(self, job: Job) -> str:
        assert isinstance(job, Prepared)
        del self.running[job.key]
        return job.key

    def _say(self) -> None:
        if self.running:
            self.reporter.running(
                f"{len(self.running)} at once: {', '.join(self.running.values())}"
            )


def train_ahead(
    jobs: Sequence[Prepared],
    work: Mapping[str, float],
    ground: Ground,
    placement: Placement,
    reporter: Reporter,
) -> dict[str, str]:
    """Trains those jobs that the log lacks; returns the errors of those that failed, by key.

    `work` is that of each job, by key, for the time left; it has been planned.
    """
    missing = {job.key: job for job in jobs if ground.log.get(job.key) is None}
    source = _Listed(list(missing.values()), work, reporter)
    if missing:
        run_prepared(source, _itself, ground, placement)
        reporter.plan(source.done_work)  # whoever looks them up takes it back
    return source.failures


def _itself(job: Job) -> Prepared:
    assert isinstance(job, Prepared)
    return job


def prefetch(session: Session, jobs: Sequence[Prepared]) -> None:
    """Trains jobs in parallel where the session says so; afterwards it looks them up.

    Where one failed, the session raises its error when asked for it.
    """
    from experiments.parallel import ground_of  # noqa: PLC0415 (it imports this)

    todo = [job for job in jobs if job.key not in session.failures]
    if session.placement is None or not todo:
        return
    work = {job.key: session.work(job.spec, job.epochs) for job in todo}
    failures = train_ahead(todo, work, ground_of(session), session.placement, session.reporter)
    session.failures.update(failures)
