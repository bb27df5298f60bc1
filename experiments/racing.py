"""A grid trained as a race, through a session and its log."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

from experiments.grid_outcome import Outcome
from nas.evaluation import Evaluation
from scaling.decision import Decision, Training, decide
from scaling.grid import Candidate, GridResult, rank
from scaling.race import Ahead, RacePlan, race

__all__ = ["Train", "exhaustive_outcome", "raced_outcome"]

# Trains a candidate (its place in words) for so many epochs with the seed of that number.
Train = Callable[[Candidate, str, int, int], Evaluation | None]


def raced_outcome(
    candidates: Sequence[Candidate], train: Train, plan: RacePlan, *, ahead: Ahead | None = None
) -> Outcome:
    """Races the candidates; the best expected first, after the chosen one.

    `ahead` is told of each rung's trainings (candidate, epochs, seed) before they are asked for.
    """
    seconds: defaultdict[str, float] = defaultdict(float)

    def evaluate(candidate: Candidate, epochs: int, seed: int) -> float | None:
        evaluation = train(candidate, f"{epochs} epochs, seed {seed + 1}", epochs, seed)
        if evaluation is None:
            return None
        seconds[candidate.fingerprint] += evaluation.seconds
        return evaluation.accuracy

    done = race(candidates, evaluate, plan, ahead=ahead)
    results = tuple(
        GridResult(candidate, _longest(done.trainings, number), seconds[candidate.fingerprint])
        for number, candidate in enumerate(candidates)
    )
    mean = done.decision.surface.mean
    order = sorted(
        range(len(results)), key=lambda n: (n != done.decision.chosen, not results[n].n, -mean[n])
    )
    return Outcome(
        tuple(candidates), results, tuple(order), done.trainings, done.decision, done.share
    )


def _longest(trainings: Sequence[Training], number: int) -> tuple[float, ...]:
    """Returns the accuracies of a candidate's longest trainings."""
    mine = [each for each in trainings if each.candidate == number]
    longest = max((each.epochs for each in mine), default=0)
    return tuple(each.accuracy for each in mine if each.epochs == longest)


def exhaustive_outcome(
    results: Sequence[GridResult],
    *,
    epochs: int,
    target_ratio: float = 2.0,
    images: int | None = None,
) -> Outcome:
    """Decides between candidates that were all trained in full; by score after the chosen one."""
    trainings = tuple(
        Training(number, epochs, seed, accuracy)
        for number, result in enumerate(results)
        for seed, accuracy in enumerate(result.accuracies)
    )
    candidates = tuple(result.candidate for result in results)
    decision: Decision | None = None
    failed = {number for number, result in enumerate(results) if math.isnan(result.mean)}
    if len(results) - len(failed) > 1:
        decision = decide(
            candidates, trainings, target_ratio=target_ratio, without=failed, images=images
        )
    numbers = {result.candidate.fingerprint: number for number, result in enumerate(results)}
    order = [
        numbers[result.candidate.fingerprint] for result in rank(results, target_ratio=target_ratio)
    ]
    if decision is not None:
        order.sort(key=lambda number: number != decision.chosen)
    return Outcome(candidates, tuple(results), tuple(order), trainings, decision, 1.0)
