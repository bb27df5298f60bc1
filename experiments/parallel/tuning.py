"""Jobs as trials of Ray Tune: what it is told to start, to stop, and what it tells of each.

Ray Tune places trials, keeps worker processes warm from one to the next, begins the trials of lost
workers again, and is asked for nothing else. What is trained next is the job source's to say (for
a search: our samplers, through Optuna's study), and so is which trial ends at a rung: successive
halving asynchronously (ASHA) is Optuna's SuccessiveHalvingPruner on that study. The study, the log
of trainings and the ledger are the truth, and the driver alone writes them, so that Tune's own
state is thrown away: its restore would forget a search algorithm's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ray import kill
from ray.tune import Callback, Stopper
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from experiments.parallel.interrupts import Interrupts
from experiments.parallel.placement import Placement, timed_out
from experiments.parallel.work import Outcome, Package, Prepared
from experiments.parallel.worker import OUTCOME, RUNG
from experiments.store import EvaluationLog
from nas.evaluation import Evaluation
from nas.jobs import Job, JobSource

__all__ = ["Bridge", "Deadlines", "Faults", "Jobs", "Rungs"]

T = TypeVar("T")


@dataclass(slots=True)
class _Run:
    """Holds a job that runs, its trial once Tune has made one, and when it must have ended."""

    job: Job
    prepared: Prepared
    trial: Trial | None = None
    deadline: float | None = None
    was_killed: bool = False


@dataclass(slots=True)
class Bridge:
    """Stands between a job source and Tune; keeps which trial is which job.

    What the source raises is kept as `fault`, since Tune would take it for a trial's, and ends
    everything. `spent` is told of the seconds that workers took.
    """

    source: JobSource
    prepare: Callable[[Job], Prepared]
    placement: Placement
    log: EvaluationLog
    spent: Callable[[Outcome], None]
    interrupts: Interrupts = field(default_factory=Interrupts)
    runs: dict[str, _Run] = field(default_factory=dict)
    fault: Exception | None = None

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Leaves nothing of itself in the state that Tune keeps, which is never restored."""
        return type(None), ()

    def ask(self, call: Callable[..., T], *args: Any) -> T | None:
        """Calls the source; None where it raises, or did before."""
        if self.fault is not None:
            return None
        try:
            return call(*args)
        except Exception as error:  # noqa: BLE001 (raised again when Tune has ended)
            self.fault = error
            return None

    def begin(self, name: str) -> dict[str, Any] | str | None:
        """Returns the next trial's configuration, None to wait, or that there is no more."""
        if len(self.runs) >= self.placement.workers and self.fault is None:
            return None
        prepared = self.ask(self._next)
        if prepared is None:
            over = self.fault is not None or self.ask(self.source.done) is not False
            return str(Searcher.FINISHED) if over else None
        job, work = prepared
        self.runs[name] = _Run(job, work)
        return {"package": Package.of(job.name, work.work)}

    def _next(self) -> tuple[Job, Prepared] | None:
        """Returns the next job that is not known yet; those that are have finished."""
        while (job := self.source.next()) is not None:
            work = self.prepare(job)
            known = self.log.get(work.key)
            if known is None:
                return job, work
            self.source.finished(job, known)
        return None

    def started(self, trial: Trial) -> None:
        """Notes when a trial must have ended."""
        run = self.runs[trial.trial_id]
        limit = self.placement.limit(run.job.limit)
        if limit is not None:
            run.deadline = time.monotonic() + limit + self.placement.grace

    def rung(self, name: str, epoch: int, accuracy: float) -> bool:
        """Tells whether a job goes on after a rung."""
        return self.ask(self.source.report, self.runs[name].job, epoch, accuracy) is True

    def end(self, name: str, outcome: Outcome | None, *, is_lost: bool) -> None:
        """Takes in how a trial ended."""
        run = self.runs.pop(name, None)
        if run is None:
            return
        if outcome is not None:
            self.spent(outcome)
        if is_lost:
            self.ask(self.source.failed, run.job, self._why_lost(run))
        elif outcome is None or self.fault is not None:
            self.ask(self.source.given_up, run.job)
        elif outcome.error is not None:
            self.ask(self.source.failed, run.job, outcome.error)
        elif outcome.evaluation is not None:
            self.ask(self._finished, run, outcome.evaluation)

    def _finished(self, run: _Run, evaluation: Evaluation) -> None:
        if run.prepared.is_logged:
            self.log.add(run.prepared.key, evaluation)
        self.source.finished(run.job, evaluation)

    def _why_lost(self, run: _Run) -> str:
        if run.was_killed:
            return timed_out(self.placement.limit(run.job.limit) or 0.0)
        times = self.placement.retries + 1
        died = "its worker died" if times == 1 else f"its worker died {times} times; the last"
        return f"{died}: {_cause(run.trial)}"

    def kill_overdue(self) -> None:
        """Ends the workers of jobs that take longer than they may, and do not end by themselves."""
        for run in self.runs.values():
            overdue = run.deadline is not None and time.monotonic() > run.deadline
            if not overdue or run.was_killed or run.trial is None:
                continue
            if run.trial.temporary_state.ray_actor is not None:
                run.was_killed = True
                run.trial.max_failures = 0  # it is not begun again
                kill(run.trial.temporary_state.ray_actor)

    def give_up(self) -> None:
        """Tells the source that nothing comes of what runs."""
        for run in self.runs.values():
            self.source.given_up(run.job)
        self.runs.clear()


def _cause(trial: Trial | None) -> str:
    """Says in a few words why a worker died."""
    error = None if trial is None else trial.get_pickled_error()
    text = " ".join(str(error).split()) if error is not None else ""
    known = {
        "OutOfMemory": "this machine's memory was full",
        "creation task": text.rpartition("creation task,")[2].strip(),
        "node has died": "its machine was lost",
        "node died": "its machine was lost",
    }
    kind = f"{type(error).__name__} {text}"
    found = next((why for sign, why in known.items() if sign in kind), None)
    return found or "it was killed, or crashed"


class Jobs(Searcher):  # type: ignore[misc]  # Ray has no types
    """Gives Tune the jobs of a source as trials, and tells it what became of them."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__(metric=None, mode=None)
        self.bridge = bridge

    def set_search_properties(self, *_: object, **__: object) -> bool:
        """Takes whatever Tune says of metric and space: the source has its own."""
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Returns a job, None to wait for those that run, or that there is no more."""
        return self.bridge.begin(trial_id)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tells of a trial that ended, was stopped at a rung, or whose worker was lost for good."""
        outcome = (result or {}).get(OUTCOME)
        self.bridge.end(trial_id, outcome, is_lost=error)

    def save(self, checkpoint_path: str) -> None:
        """Keeps nothing: the study is the truth."""

    def restore(self, checkpoint_path: str) -> None:
        """Finds nothing."""


class Rungs(FIFOScheduler):  # type: ignore[misc]  # Ray has no types
    """Asks the source at every rung whether a trial goes on; starts trials as they come."""

    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self.bridge = bridge
        self.keeps_warm = False

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Keeps the trial with its job."""
        self.bridge.runs[trial.trial_id].trial = trial
        if not self.keeps_warm:
            self.keeps_warm = True
            _keep_warm(tune_controller, trial, self.bridge.placement.workers)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Lets a trial go on, or stops it."""
        goes_on = RUNG not in result or self.bridge.rung(trial.trial_id, *result[RUNG])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)


def _keep_warm(controller: Any, trial: Trial, workers: int) -> None:
    """Lets Tune keep as many idle workers as train at once.

    It keeps but one by itself, and where two trainings end in one moment it would start the other
    anew, which takes seconds.
    """
    cache: Any = getattr(controller, "_actor_cache", None)  # there is no public switch
    if hasattr(cache, "increase_max"):
        cache.increase_max(trial.placement_group_factory, workers)


class Deadlines(Callback):  # type: ignore[misc]  # Ray has no types
    """Sees to it that no trial hangs."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **_: Any) -> None:
        """Notes that a worker has begun a trial."""
        self.bridge.started(trial)

    def on_step_end(self, iteration: int, trials: list[Trial], **_: Any) -> None:
        """Looks after those that run, and heeds Ctrl-C."""
        self.bridge.interrupts.heed()
        self.bridge.kill_overdue()


class Faults(Stopper):  # type: ignore[misc]  # Ray has no types
    """Ends everything once the source has raised."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stops no single trial."""
        return False

    def stop_all(self) -> bool:
        """Tells whether there is a fault."""
        return self.bridge.fault is not None
