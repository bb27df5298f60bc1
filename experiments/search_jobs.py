"""A search's trainings as jobs: what the trials of a run are for those who train in parallel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from experiments.config import SearchConfig
from experiments.halving import halving_of, stages_of
from experiments.parallel import ground_of, prepared, run_jobs
from experiments.parallel.engine import run_prepared
from experiments.parallel.placement import Placement
from experiments.parallel.work import Prepared, ShortTraining
from experiments.session import Session
from nas.asking import Asking
from nas.evaluation import Evaluation
from nas.jobs import Job
from nas.plan import Plan

__all__ = ["known_training", "plan_of", "run_search_jobs"]


def plan_of(session: Session, asked: SearchConfig, *, label: str) -> Plan:
    """Returns how a trial is trained: whole, looked at on the way, or in several trainings."""
    plan = Plan(asked.epochs, asked.trial_seconds, label)
    if asked.halving is None:
        return plan
    halving, amounts = halving_of(session, asked)
    if asked.halving == "epochs":
        return replace(plan, halving=halving, rungs=amounts[:-1])
    sides = tuple(side for _, side in stages_of(session, asked))
    return replace(plan, halving=halving, resolutions=sides)


def known_training(session: Session, job: Job) -> Evaluation | None:
    """Finds a job's training in the log."""
    return session.log.get(session.key(job.spec, session.short_recipe(job.epochs), job.seed))


def run_search_jobs(
    asking: Asking, session: Session, asked: SearchConfig, placement: Placement
) -> None:
    """Trains what a search asks for, until it asks for nothing more."""
    if asked.halving != "data":
        run_jobs(asking, session, placement)
        return
    names = {f"rung {stage + 1}": each for stage, (each, _) in enumerate(stages_of(session, asked))}
    ground = replace(ground_of(session), data={name: each.data for name, each in names.items()})
    run_prepared(asking, lambda job: _on_part(asking, job, names, placement), ground, placement)


def _on_part(
    asking: Asking, job: Job, sessions: Mapping[str, Session], placement: Placement
) -> Prepared:
    """Returns a job on the part of the data that its stage trains on."""
    name = f"rung {asking.stage(job) + 1}"
    made = prepared(sessions[name], job, placement)
    assert isinstance(made.work, ShortTraining)
    return replace(made, work=replace(made.work, data=name))
