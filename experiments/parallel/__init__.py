"""Trainings in parallel: jobs run by workers on this machine or a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from experiments.parallel.engine import Ground, run_prepared
from experiments.parallel.jobs import evaluation_job
from experiments.parallel.placement import Placement, place
from experiments.parallel.work import Prepared
from nas.jobs import Job, JobSource

if TYPE_CHECKING:
    from experiments.session import Session

__all__ = ["Placement", "place", "run_jobs"]


def run_jobs(source: JobSource, session: Session, placement: Placement) -> None:
    """Runs a source's jobs on a session's data until it has no more.

    Jobs are trained by the session's recipe, for their epochs. Everything that has finished is in
    the session's log before `finished` is called. What the source raises is raised, and ends the
    rest, as Ctrl-C does.
    """
    run_prepared(
        source, lambda job: prepared(session, job, placement), ground_of(session), placement
    )


def prepared(session: Session, job: Job, placement: Placement) -> Prepared:
    """Returns a job with what a worker does for it: by itself, an evaluation of the session's."""
    if isinstance(job, Prepared):
        return job
    return evaluation_job(
        session, job.spec, seed=job.seed, epochs=job.epochs, name=job.name, rungs=job.rungs,
        limit=job.limit, placement=placement,
    )  # fmt: skip


def ground_of(session: Session) -> Ground:
    """Returns what the jobs of a session share."""
    return Ground(
        {"": session.data}, session.log, session.folder.add_spent,
        loaders=session.loaders, deterministic=session.device.deterministic,
    )  # fmt: skip
