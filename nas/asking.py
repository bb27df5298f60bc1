"""A search as a source of jobs: asks the sampler, hands out trainings, tells the study.

One worker may serve it, or many. The study is the only state: what is suggested follows from it and
from how many trials have ended and how many are open. A search that is stopped and started again
goes on exactly as one that was not, where one training ran at a time; where several did, it goes on
from those that had ended.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from optuna.study import Study
from optuna.trial import Trial, TrialState

from nas.evaluation import Evaluation
from nas.halving import Rungs
from nas.jobs import Job
from nas.objective import Goal
from nas.plan import OpenTrial, Plan
from nas.seeds import derive_seed
from nas.suggesting import Suggesting
from nas.tally import Budget, Tally
from nas.telling import Teller
from nas.trials import TrialRecord, record_of, records
from search_spaces.codec import fingerprint
from search_spaces.spec import ArchSpec

__all__ = ["Asking", "give_up_running"]


def give_up_running(study: Study) -> int:
    """Marks trials that a killed process left running as failed; returns how many there were."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in running:
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return len(running)


class Asking:
    """A search that any number of workers may serve: it is a `nas.jobs.JobSource`.

    A network that another trial is training already is waited for, and not trained twice. `kept`
    finds trainings that were finished before; these need no job. `on_start` is told of the names of
    all jobs that run when another begins, `on_trial` of trials as they end. `clock` gives seconds.
    """

    def __init__(
        self,
        suggesting: Suggesting,
        goal: Goal,
        *,
        budget: Budget,
        plan: Plan,
        on_trial: Callable[[TrialRecord], None] | None = None,
        on_start: Callable[[Sequence[str]], None] = lambda names: None,
        kept: Callable[[Job], Evaluation | None] = lambda job: None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Takes up the study where it stands."""
        self.suggesting, self.goal, self.budget, self.plan = suggesting, goal, budget, plan
        self.study, self.costing = suggesting.study, suggesting.costing
        self.on_trial, self.on_start, self.kept, self.clock = on_trial, on_start, kept, clock
        self.tally, self.tell = Tally(), Teller(self.study, goal)
        self.deadline = None if budget.seconds is None else clock() + budget.seconds
        self._jobs: dict[str, OpenTrial] = {}
        self._networks: dict[str, OpenTrial] = {}
        self._following = deque[Job]()
        if plan.halving is not None:
            self.study.pruner = plan.halving.pruner()
        self._take_up()

    def _take_up(self) -> None:
        """Remembers what has ended, and gives up what an earlier process left running.

        Where a training ended and its study was not told, the network is asked for again.
        """
        for record in records(self.study, self.costing.space):
            self.tally.remember(record)
        names = {choice.name for choice in self.costing.space.choices}
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if names <= trial.params.keys():
                spec = self.costing.space.decode(trial.params)
                if self._kept(self.plan.job(trial.number, spec, self._seed(fingerprint(spec)))):
                    self.study.enqueue_trial(trial.params)
        give_up_running(self.study)

    def _kept(self, job: Job) -> Evaluation | None:
        """Finds a finished training; with rungs, all of them are to be told first."""
        return self.kept(job) if self.plan.halving is None else None

    def _seed(self, network: str) -> int:
        return derive_seed(self.suggesting.seed, "trial", network)

    def stage(self, job: Job) -> int:
        """Counts the trainings that a running job's trial had before."""
        return self._jobs[job.name].stage

    def next(self) -> Job | None:
        """Returns what is to start now; None: all is done, or it waits for one that runs.

        Raises `RunError` after 200 networks in a row that were refused.
        """
        job = self._following.popleft() if self._following else self._new()
        if job is not None:
            self.on_start(tuple(self._jobs))
        return job

    def _new(self) -> Job | None:
        while self._goes_on():
            if (job := self._take(*self._ask())) is not None:
                return job
        return None

    def done(self) -> bool:
        """Tells whether nothing will come any more, and nothing runs."""
        return not self._jobs and not self._goes_on()

    def _goes_on(self) -> bool:
        """Tells whether there is something left to try, and the means to."""
        running, seconds = self._networks.values(), 0.0
        if running and self.budget.training is not None:
            now = self.clock()
            seconds = sum(now - one.begun for one in running)
        if not self.tally.affords(self.budget, running=len(running), seconds=seconds):
            return False
        in_time = self.deadline is None or self.clock() < self.deadline
        return in_time and not self.tally.exhausted(len(running))

    def _ask(self) -> tuple[Trial, ArchSpec]:
        unfinished = sum(1 + len(one.waiting) for one in self._networks.values())
        return self.suggesting.ask(self.tally, unfinished=unfinished)

    def _take(self, trial: Trial, spec: ArchSpec) -> Job | None:
        """Returns the training of a trial that was asked for; None where it has none of its own."""
        network = fingerprint(spec)
        trial.set_user_attr("fingerprint", network)
        first, running = self.tally.known.get(network), self._networks.get(network)
        self.tally.asked(new=first is None and running is None)
        if first is not None:
            self.tell.repeated(trial, first)
            self._ended(trial)
            return None
        if running is not None:
            running.waiting.append(trial)
            return None
        return self._begin(trial, spec, network)

    def _begin(self, trial: Trial, spec: ArchSpec, network: str) -> Job | None:
        """Returns the training of a new network; None where it is refused or was finished."""
        begun = self.clock()
        try:
            costs, over = self.costing.of(spec)
            trial.set_user_attr("costs", costs)
            reason = over or self.suggesting.hopeless(costs)
        except Exception as error:  # noqa: BLE001 (a trial's fault is recorded; the search goes on)
            text = f"{type(error).__name__}: {error}"
            self.tell.failed(trial, text, self.clock() - begun)
            self._ended(trial)
            return None
        if reason:
            self.tell.refused(trial, reason)
            self._ended(trial)
            return None
        one = OpenTrial(trial, spec, network, costs, begun, self._rungs(trial, costs))
        self._networks[network] = one
        job = self._opened(one)
        if (evaluation := self._kept(job)) is not None:
            self.finished(job, evaluation)
            return None
        return job

    def _rungs(self, trial: Trial, costs: Mapping[str, float]) -> Rungs | None:
        if self.plan.halving is None:
            return None
        return Rungs(trial, self.plan.halving, lambda accuracy: self.goal.reward(accuracy, costs))

    def _opened(self, one: OpenTrial) -> Job:
        """Returns the training of a trial's stage, which runs from now on."""
        seed = self._seed(one.network)
        job = self.plan.job(one.trial.number, one.spec, seed, stage=one.stage, spent=one.spent)
        self._jobs[job.name] = one
        return job

    def rung(self, job: Job, accuracy: float, seconds: float) -> str | None:
        """Takes in a job's next rung; says why it is to be `left` there (None: it goes on).

        `seconds` are all that its trial has taken so far.
        """
        one = self._jobs[job.name]
        assert one.rungs is not None
        return one.rungs.why_leave(accuracy, seconds, lambda: self.suggesting.hopeless(one.costs))

    def report(self, job: Job, epoch: int, accuracy: float) -> bool:
        """Takes in an accuracy at a rung; False: the job is to stop, and is told of no more.

        A rung that a training comes to again, since its worker was lost, says nothing new.
        """
        one = self._jobs.get(job.name)
        if one is None:
            return False
        told = 0 if one.rungs is None else len(one.rungs.told)
        if epoch not in job.rungs[told:]:
            return True
        reason = self.rung(job, accuracy, self.clock() - one.begun)
        if reason is not None:
            self.left(job, reason)
        return reason is None

    def finished(self, job: Job, evaluation: Evaluation) -> None:
        """Takes in a job's result; its trial goes on to the next stage, or ends.

        Raises `InputError` where a user's own reward makes no sense.
        """
        if not math.isfinite(evaluation.accuracy):
            self.failed(job, f"RunError: its accuracy is {evaluation.accuracy}")
            return
        if (one := self._jobs.pop(job.name, None)) is None:
            return
        total = replace(evaluation, seconds=one.spent + evaluation.seconds)
        if not self.plan.is_last(one.stage):
            self._follow(one, total)
            return
        if one.rungs is not None:
            one.rungs.tell(total.accuracy, total.seconds, last=True)
        self.tell.measured(one.trial, total, one.costs)
        self._close(one)

    def _follow(self, one: OpenTrial, so_far: Evaluation) -> None:
        """Puts a trial's next stage first, unless it is to be left at the one that has ended."""
        assert one.rungs is not None
        reason = one.rungs.why_leave(
            so_far.accuracy, so_far.seconds, lambda: self.suggesting.hopeless(one.costs)
        )
        if reason is not None:
            self.tell.left(one.trial, reason)
            self._close(one)
            return
        one.stage, one.spent = one.stage + 1, so_far.seconds
        self._following.append(self._opened(one))

    def left(self, job: Job, reason: str) -> None:
        """Ends a job at a rung, for a reason: its trial counts, and is pruned."""
        if (one := self._jobs.pop(job.name, None)) is not None:
            self.tell.left(one.trial, reason)
            self._close(one)

    def failed(self, job: Job, error: str) -> None:
        """Takes in an error of the job's own, or that its worker was lost too often.

        Raises `RunError` after five in a row.
        """
        if (one := self._jobs.pop(job.name, None)) is not None:
            self.tell.failed(one.trial, error, self.clock() - one.begun)
            self._close(one)

    def given_up(self, job: Job) -> None:
        """Takes in that a job was interrupted; its trial, and those that wait, leave no trace."""
        if (one := self._jobs.pop(job.name, None)) is not None:
            del self._networks[one.network]
            for trial in (one.trial, *one.waiting):
                self.tell.interrupted(trial)

    def _close(self, one: OpenTrial) -> None:
        del self._networks[one.network]
        self._ended(one.trial, one.waiting)

    def _ended(self, trial: Trial, waiting: Sequence[Trial] = ()) -> None:
        """Takes in what a trial came to, and tells those that waited for its network."""
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        record = record_of(frozen, self.costing.space)
        self.tally.ended(record)
        if self.on_trial is not None:
            self.on_trial(record)
        for other in waiting:
            self.tell.repeated(other, record)
            self._ended(other)
        self.tally.check(record)
