"""The search loop: ask the sampler, evaluate the network, tell the study.

The study is the only state. A sampler is made anew for every trial from a seed that depends on
how many trials have finished, so a search that was killed and started again goes on exactly as one
that was not.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
from optuna import TrialPruned
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.study import Study
from optuna.trial import Trial, TrialState

from nas.ceiling import CANNOT_WIN, make_ceiling
from nas.costs import Costing
from nas.evaluation import Evaluation, Evaluator
from nas.halving import Staged
from nas.objective import Goal
from nas.samplers.fixed import FixedSampler
from nas.trials import INTERRUPTED, TrialRecord, record_of, records
from search_spaces.codec import fingerprint
from search_spaces.errors import RunError
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec

__all__ = [
    "Budget",
    "TrialRecord",
    "derive_seed",
    "give_up_running",
    "records",
    "search",
]

MAX_DUPLICATES = 20
MAX_FAILURES = 5
MAX_REFUSALS = 20
REFUSALS_TO_GIVE_UP = 200
SamplerFactory = Callable[[int], BaseSampler]


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds a search: `trials` networks evaluated, and, if given, seconds.

    `seconds` are of wall time, from when this process began; `training` are those that all of the
    study's evaluations took, earlier processes' included.
    """

    trials: int
    seconds: float | None = None
    training: float | None = None


def derive_seed(*parts: object) -> int:
    """Returns a seed in [0, 2³¹) that depends on every part and on nothing else."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def give_up_running(study: Study) -> int:
    """Marks trials that a killed process left running as failed; returns how many there were."""
    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in running:
        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
    return len(running)


def search(
    study: Study,
    space: SearchSpace,
    evaluate: Evaluator | Staged,
    goal: Goal,
    *,
    sampler: SamplerFactory,
    budget: Budget,
    seed: int = 0,
    on_trial: Callable[[TrialRecord], None] | None = None,
    costing: Costing | None = None,
    ceiling: float | None = None,
) -> list[TrialRecord]:
    """Evaluates networks of `space` until the budget is spent; returns all of the study's trials.

    A network that was evaluated before, under whatever choices, takes that result and does not
    count. One that `costing` finds over a limit is refused: not trained, and not counted. So is
    one that cannot win even with an accuracy of `ceiling`, where its reward's factor is exact.
    A `Staged` evaluation that falls behind is left, and counts: it is a trial that was pruned.
    Raises `RunError` after five evaluations in a row that failed, or 200 networks in a row that
    were refused; `InputError` where a user's own reward makes no sense.
    """
    give_up_running(study)
    deadline = math.inf if budget.seconds is None else time.monotonic() + budget.seconds
    loop = _Loop(study, costing or Costing(space), evaluate, goal, sampler, seed, ceiling)
    for record in records(study, space):
        loop.remember(record)
    while loop.goes_on(budget) and time.monotonic() < deadline:
        trial, spec = loop.ask()
        record = loop.run(trial, spec)
        if on_trial is not None:
            on_trial(record)
    return records(study, space)


class _Loop:
    """Keeps what the loop has learnt from the study: known networks, counts, failures."""

    def __init__(
        self,
        study: Study,
        costing: Costing,
        evaluate: Evaluator | Staged,
        goal: Goal,
        sampler: SamplerFactory,
        seed: int,
        ceiling: float | None,
    ) -> None:
        self.study, self.evaluate, self.goal = study, evaluate, goal
        self.ceiling = make_ceiling(ceiling, goal, costing)
        if isinstance(evaluate, Staged):
            study.pruner = evaluate.halving.pruner()
        self.costing, self.space = costing, costing.space
        self.sampler, self.seed = sampler, seed
        self.known: dict[str, TrialRecord] = {}
        self.finished = self.evaluated = self.duplicates = self.failures = self.refusals = 0
        self.hopeless = 0  # refused one after another since they cannot win
        self.spent = 0.0

    def goes_on(self, budget: Budget) -> bool:
        """Tells whether there is something left to try, and the means to."""
        affordable = budget.training is None or self.spent < budget.training
        return self.evaluated < budget.trials and affordable and not self.exhausted

    @property
    def exhausted(self) -> bool:
        """Tells whether random draws, too, found nothing new that could win: all is used up."""
        used_up = self.duplicates >= 2 * MAX_DUPLICATES + 2 * len(self.known)
        return used_up or self.hopeless >= REFUSALS_TO_GIVE_UP

    def remember(self, record: TrialRecord) -> None:
        """Takes a finished trial into account; one that was interrupted leaves no trace."""
        if record.error == INTERRUPTED:
            return
        self.finished += 1
        if record.duplicate_of is not None:
            self.duplicates += 1
            return
        self.duplicates = 0
        self.known.setdefault(record.fingerprint, record)
        self.spent += record.seconds or 0.0
        if record.refused:
            self.refusals += 1
            self.hopeless += record.refused.startswith(CANNOT_WIN)
        elif record.error:
            self.failures += 1
        else:
            self.evaluated += 1
            self.failures = self.refusals = self.hopeless = 0

    def ask(self) -> tuple[Trial, ArchSpec]:
        """Starts a trial; a sampler gives way to random draws where it only brings up the same.

        That is networks which are known, or such as are over a limit or cannot win.
        """
        seed = derive_seed(self.seed, "sampler", self.finished)
        stuck = self.duplicates >= MAX_DUPLICATES or self.refusals >= MAX_REFUSALS
        self.study.sampler = self._random(seed) if stuck else self.sampler(seed)
        distributions: dict[str, BaseDistribution] = {
            choice.name: CategoricalDistribution(choice.options) for choice in self.space.choices
        }
        trial = self.study.ask(distributions)
        return trial, self.space.decode(trial.params)

    def _random(self, seed: int) -> BaseSampler:
        rng = np.random.default_rng(seed)
        if self.ceiling is not None:
            if drawn := self.ceiling.draw(self.study, rng):
                return FixedSampler(drawn)
            self.hopeless = REFUSALS_TO_GIVE_UP
        if not self.costing.limits:
            return RandomSampler(seed=seed)
        return FixedSampler(self.costing.draw(rng))

    def run(self, trial: Trial, spec: ArchSpec) -> TrialRecord:
        """Evaluates a trial, or takes the result of the same network, and tells the study."""
        name = fingerprint(spec)
        trial.set_user_attr("fingerprint", name)
        if name in self.known:
            self._tell_duplicate(trial, self.known[name])
        else:
            self._tell_new(trial, spec)
        frozen = self.study.get_trials(deepcopy=False)[trial.number]
        record = record_of(frozen, self.space)
        self.remember(record)
        if record.duplicate_of is None:
            self._check_hope(record)
        return record

    def _check_hope(self, record: TrialRecord) -> None:
        """Raises `RunError` where trial after trial came to nothing."""
        if record.error and self.failures >= MAX_FAILURES:
            raise RunError(f"{self.failures} trials in a row failed; the last one: {record.error}")
        over = self.refusals - self.hopeless
        if record.refused and over >= REFUSALS_TO_GIVE_UP:
            raise RunError(
                f"{over} networks in a row were over a limit; the last one: {record.refused}"
            )

    def _tell_duplicate(self, trial: Trial, first: TrialRecord) -> None:
        trial.set_user_attr("duplicate_of", first.number)
        trial.set_user_attr("costs", dict(first.costs))
        if first.refused:
            self._refuse(trial, first.refused)
            return
        if first.pruned:
            self._prune(trial, first.pruned)
            return
        if first.evaluation is None:
            trial.set_user_attr("error", first.error)
            self.study.tell(trial, state=TrialState.FAIL)
            return
        trial.set_user_attr("evaluation", asdict(first.evaluation))
        trial.set_user_attr("reward", first.reward)
        self.study.tell(trial, first.values)

    def _refuse(self, trial: Trial, reason: str) -> None:
        # A pruned trial is one that Optuna's samplers learn to avoid, and that is no failure.
        trial.set_user_attr("refused", reason)
        self.study.tell(trial, state=TrialState.PRUNED)

    def _prune(self, trial: Trial, reason: str) -> None:
        trial.set_user_attr("pruned", reason)
        self.study.tell(trial, state=TrialState.PRUNED)

    def _hopeless(self, costs: Mapping[str, float]) -> str | None:
        """Says why a network of these costs cannot win; None where it can, for all one knows."""
        return None if self.ceiling is None else self.ceiling.why(self.study, costs)

    def _evaluation(self, trial: Trial, spec: ArchSpec, costs: Mapping[str, float]) -> Evaluation:
        seed = derive_seed(self.seed, "trial", fingerprint(spec))
        if not isinstance(self.evaluate, Staged):
            return self.evaluate(spec, seed=seed)
        return self.evaluate.run(
            trial, spec, seed=seed,
            reward=lambda accuracy: self.goal.reward(accuracy, costs),
            hopeless=lambda: self._hopeless(costs),
        )  # fmt: skip

    def _tell_new(self, trial: Trial, spec: ArchSpec) -> None:
        start = time.perf_counter()
        try:
            costs, over = self.costing.of(spec)
            trial.set_user_attr("costs", costs)
            if reason := over or self._hopeless(costs):
                self._refuse(trial, reason)
                return
            evaluation = self._evaluation(trial, spec, costs)
        except TrialPruned as pruned:
            self._prune(trial, str(pruned))
            return
        except Exception as error:  # noqa: BLE001 (a trial's fault is recorded; the search goes on)
            trial.set_user_attr("error", f"{type(error).__name__}: {error}")
            trial.set_user_attr("seconds", round(time.perf_counter() - start, 3))
            self.study.tell(trial, state=TrialState.FAIL)
            return
        known = costs | evaluation.counts
        reward = self.goal.reward(evaluation.accuracy, known)
        trial.set_user_attr("evaluation", asdict(evaluation))
        trial.set_user_attr("reward", reward)
        self.study.tell(trial, self.goal.told(reward, evaluation.accuracy, known))
