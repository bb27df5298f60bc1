"""The best few networks of a search, trained again: which of them was not only lucky."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from nas.evaluation import Evaluation, Evaluator
from nas.objective import Goal
from nas.search import derive_seed
from nas.trials import TrialRecord
from search_spaces.errors import RunError
from search_spaces.spec import ArchSpec

__all__ = ["Ahead", "Confirmed", "confirm"]

# Is told of the networks and seeds that are about to be trained.
Ahead = Callable[[Sequence[tuple[ArchSpec, int]]], None]


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Holds a network's rewards over several trainings, the first from the search."""

    record: TrialRecord
    evaluations: tuple[Evaluation, ...]
    rewards: tuple[float, ...]

    @property
    def mean_reward(self) -> float:
        """Averages the rewards."""
        return sum(self.rewards) / len(self.rewards)


def confirm(
    trials: Iterable[TrialRecord],
    evaluate: Evaluator,
    goal: Goal,
    *,
    count: int = 3,
    repeats: int = 2,
    seed: int = 0,
    expected: Mapping[int, float] | None = None,
    ahead: Ahead | None = None,
) -> list[Confirmed]:
    """Trains the `count` best networks `repeats` more times, with other seeds; best mean first.

    The best of many noisy measurements is partly luck. Where a sampler says by trial number what
    reward is `expected`, that decides which are the best; and the search's own measurement of each
    is left out of the mean, unless `repeats` is 0. A network whose training fails with
    another seed is left out. `ahead` is told of all these trainings before any of them, and may do
    them at once. Raises `RunError` when none is left.
    """
    first = [t for t in trials if t.evaluation and t.duplicate_of is None and t.reward is not None]
    ranks = expected or {}
    best = sorted(first, key=lambda t: (-ranks.get(t.number, t.reward or 0.0), t.number))[:count]
    seeds = {
        trial.number: [derive_seed(seed, "confirm", trial.fingerprint, i) for i in range(repeats)]
        for trial in best
    }
    if ahead is not None:
        ahead([(trial.spec, each) for trial in best for each in seeds[trial.number]])
    confirmed = []
    for trial in best:
        try:
            again = tuple(evaluate(trial.spec, seed=each) for each in seeds[trial.number])
        except RunError:
            continue
        assert trial.evaluation is not None
        used = again or (trial.evaluation,)
        rewards = tuple(goal.reward(e.accuracy, {**trial.costs, **e.counts}) for e in used)
        confirmed.append(Confirmed(trial, (trial.evaluation, *again), rewards))
    if not confirmed:
        raise RunError("none of the best networks could be trained again without a failure")
    return sorted(confirmed, key=lambda c: -c.mean_reward)
