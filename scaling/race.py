"""Racing the α, β, γ candidates: short trainings of all, long ones of those that may still win."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scaling.decision import Decision, Training, decide, expected_noise, observations, tied
from scaling.grid import Candidate, spread
from scaling.surface import fit_surface
from search_spaces.errors import InputError, RunError

__all__ = ["Ahead", "Evaluate", "Race", "RacePlan", "full_work", "race", "rungs", "work"]

# Trains a candidate for so many epochs with the seed of that number; None: it failed.
Evaluate = Callable[[Candidate, int, int], float | None]
# Is told of the (candidate, epochs, seed) that are about to be trained.
Ahead = Callable[[Sequence[tuple[Candidate, int, int]]], None]


@dataclass(frozen=True, slots=True)
class RacePlan:
    """Says what a race may spend: `share` of training every candidate `seeds` times for `epochs`.

    A rung's trainings are `reduction` times longer than those of the one before, and at most one in
    `reduction` candidates goes on. `level` is how improbable it must be that a candidate is better
    than the leader before it is out. `target_ratio` is that of `grid_score`,
    `images` how many an accuracy is measured on (None: not known).
    Raises `InputError` for what makes no race.
    """

    epochs: int
    seeds: int
    share: float = 1 / 3
    reduction: int = 3
    level: float = 0.05
    target_ratio: float = 2.0
    images: int | None = None

    def __post_init__(self) -> None:
        if min(self.epochs, self.seeds) < 1:
            raise InputError(
                f"race: {self.epochs} epochs and {self.seeds} seeds; both must be at least 1"
            )
        if not 0 < self.share <= 1:
            raise InputError(f"race: the share is {self.share:g}; it is above 0 and at most 1")
        if self.reduction < 2:
            raise InputError(f"race: the reduction is {self.reduction}; it must be at least 2")
        if not 0 < self.level < 0.5:
            raise InputError(f"race: the level is {self.level:g}; it lies between 0 and 0.5")

    def check(self, count: int) -> None:
        """Raises `InputError` where half of the share is less than two candidates' first rung."""
        if self.share / 2 * count * self.epochs * self.seeds < 2 * rungs(self)[0][0] - 1e-9:
            raise InputError(
                f"race: {self.share:.0%} of {count} candidates × {self.seeds} seeds × "
                f"{self.epochs} epochs is too little to race; give more candidates, seeds or "
                "epochs, or train them all without --race"
            )


@dataclass(frozen=True, slots=True)
class Race:
    """Holds a race's trainings, in order, what they decided, and the share of the work they took.

    `share` is of the MACs that training every candidate in full would take.
    """

    trainings: tuple[Training, ...]
    decision: Decision
    share: float


def work(candidate: Candidate, epochs: int) -> float:
    """Returns the work of a training: MACs of an image times epochs."""
    return float(candidate.macs) * epochs


def full_work(candidates: Sequence[Candidate], plan: RacePlan) -> float:
    """Returns the work of training every candidate with every seed for all epochs."""
    return sum(work(candidate, plan.epochs) for candidate in candidates) * plan.seeds


def rungs(plan: RacePlan) -> tuple[tuple[int, int], ...]:
    """Returns the (epochs, seed) of each rung: longer and longer, then more seeds.

    The first is the longest of epochs/reduction, epochs/reduction²… that all candidates can have
    for half of what may be spent, and at least one epoch.
    """
    affordable = plan.epochs * plan.seeds * plan.share / 2
    first = max(1, plan.epochs // plan.reduction)
    while first > 1 and first > affordable:
        first = max(1, first // plan.reduction)
    short = []
    while first < plan.epochs:
        short.append((first, 0))
        first *= plan.reduction
    return (*short, *((plan.epochs, seed) for seed in range(plan.seeds)))


def race(
    candidates: Sequence[Candidate],
    evaluate: Evaluate,
    plan: RacePlan,
    *,
    ahead: Ahead | None = None,
) -> Race:
    """Trains candidates, fewer and longer from rung to rung, and decides between those at the end.

    The first rung trains them all, or as many as half of the work allows, spread over the range:
    the surface stands in for the others. After each rung those that the surface or the paired test
    rejects are out, and the best expected of the rest go on. The same candidates, plan and
    accuracies give the same race, so that one whose trainings are looked up continues. `ahead` is
    told of each rung's trainings before any of them, and may do them all at once.
    Raises `InputError` where the work allowed is less than the race of two candidates takes, and
    `RunError` where too few trainings succeed.
    """
    plan.check(len(candidates))
    running = _Running(tuple(candidates), evaluate, plan, ahead)
    ladder = rungs(plan)
    for number, (epochs, seed) in enumerate(ladder):
        entrants = running.entrants(number, ladder)
        if not entrants:
            break
        running.train(entrants, epochs, seed)
    return running.result()


class _Running:
    """Keeps what a race has spent and seen."""

    def __init__(
        self,
        candidates: tuple[Candidate, ...],
        evaluate: Evaluate,
        plan: RacePlan,
        ahead: Ahead | None,
    ) -> None:
        self.ahead = ahead
        self.candidates, self.evaluate, self.plan = candidates, evaluate, plan
        self.whole = full_work(candidates, plan)
        self.left = self.whole * plan.share
        self.trainings: list[Training] = []
        self.failed: set[int] = set()
        self.last: tuple[int, ...] = ()

    def train(self, entrants: Sequence[int], epochs: int, seed: int) -> None:
        """Trains candidates at a rung."""
        if self.ahead is not None:
            self.ahead([(self.candidates[number], epochs, seed) for number in entrants])
        for number in entrants:
            candidate = self.candidates[number]
            self.left -= work(candidate, epochs)
            accuracy = self.evaluate(candidate, epochs, seed)
            if accuracy is None:
                self.failed.add(number)
            else:
                self.trainings.append(Training(number, epochs, seed, accuracy))
        self.last = tuple(number for number in entrants if number not in self.failed)

    def entrants(self, rung: int, ladder: Sequence[tuple[int, int]]) -> tuple[int, ...]:
        """Returns who is trained at a rung; nobody where it is decided or the work is spent."""
        epochs, seed = ladder[rung]
        if rung == 0:
            return self._first(epochs)
        ordered = self._hopeful()
        if seed > 0:  # pairs: who has this seed has the ones before it
            ordered = [number for number in ordered if number in self.last]
            if len(ordered) < 2:
                return ()
        wanted = max(2, math.ceil(len(self.last) / self.plan.reduction))
        later = len(ladder) - rung - 1
        return self._affordable(ordered[:wanted], epochs, later)

    def _first(self, epochs: int) -> tuple[int, ...]:
        """Returns as many candidates as half of the work allows, spread over the range."""
        numbers = {c.fingerprint: number for number, c in enumerate(self.candidates)}
        found: list[int] = []
        left = self.left / 2 * (1 + 1e-9)
        for candidate in spread(self.candidates, max(1, len(self.candidates))):
            left -= work(candidate, epochs)
            if left < 0:
                break
            found.append(numbers[candidate.fingerprint])
        while len(found) < 2:  # the first two are dearer than most
            found.append(next(n for n in range(len(self.candidates)) if n not in found))
        return tuple(sorted(found))

    def _hopeful(self) -> list[int]:
        """Returns the candidates that may still be the best, the best expected first."""
        if len(self.trainings) < 2:
            raise RunError("fewer than two trainings of the race succeeded: no comparison")
        seen = observations(self.candidates, self.trainings, self.plan.target_ratio)
        noise = expected_noise(self.trainings, self.plan.images)
        surface = fit_surface([c.constants for c in self.candidates], seen, noise=noise)
        order = sorted(range(len(self.candidates)), key=lambda number: -surface.mean[number])
        first = next(number for number in order if number not in self.failed)
        left = {first, *tied(first, surface, seen, level=self.plan.level)} - self.failed
        return [number for number in order if number in left]

    def _affordable(self, ordered: Sequence[int], epochs: int, later: int) -> tuple[int, ...]:
        """Returns the first of `ordered` that leave enough for two of them at each later rung.

        Where no two leave that, as many as the work that is left allows.
        """
        costs = [work(self.candidates[number], epochs) for number in ordered]
        for reserved, fewest in ((later * sum(costs[:2]), 2), (0.0, 1)):
            for count in range(len(ordered), fewest - 1, -1):
                if sum(costs[:count]) + reserved <= self.left * (1 + 1e-9):
                    return tuple(ordered[:count])
        return ()

    def result(self) -> Race:
        """Decides."""
        decision = decide(
            self.candidates, self.trainings, level=self.plan.level,
            target_ratio=self.plan.target_ratio, without=self.failed, images=self.plan.images,
        )  # fmt: skip
        spent = self.whole * self.plan.share - self.left
        return Race(tuple(self.trainings), decision, spent / self.whole)
