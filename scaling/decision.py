"""Which constants the trainings of a grid speak for, how surely, and whom they leave level."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, t

from scaling.grid import Candidate, grid_score
from scaling.surface import Observation, Surface, fit_surface, paired_deviation
from search_spaces.errors import RunError

__all__ = ["Decision", "Training", "decide", "expected_noise", "observations", "tied"]


@dataclass(frozen=True, slots=True)
class Training:
    """Holds one training: of which candidate (its number), epochs, seed (its number), accuracy."""

    candidate: int
    epochs: int
    seed: int
    accuracy: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Holds which candidate is chosen, and what is known of all of them (all by their numbers).

    `leader` has the best expected score of the `finalists`, which were trained longest and with
    most seeds. `tied` are those that the data cannot tell from it (itself not among them), trained
    in full or not. `chosen` is the cheapest finalist of these within one standard error of the
    leader, else the leader. `interval` holds the 95% interval of each constant of the best
    candidate, `chance` the probability of each that it is the best.
    """

    surface: Surface
    leader: int
    chosen: int
    tied: tuple[int, ...]
    finalists: tuple[int, ...]
    interval: dict[str, tuple[float, float]]
    chance: tuple[float, ...]


def observations(
    candidates: Sequence[Candidate], trainings: Sequence[Training], target_ratio: float
) -> list[Observation]:
    """Returns trainings with the score of `grid_score` in place of the accuracy."""
    return [
        Observation(
            each.candidate,
            each.epochs,
            each.seed,
            grid_score(
                each.accuracy, candidates[each.candidate].macs_ratio, target_ratio=target_ratio
            ),
        )
        for each in trainings
    ]


def expected_noise(trainings: Sequence[Training], images: int | None) -> float | None:
    """Returns the deviation of the mean accuracy when measured on so many images, if that is known.

    It is the binomial √(p·(1 − p)/images): trainings that differ in their seed err on images of
    their own choice.
    """
    if images is None:
        return None
    p = sum(each.accuracy for each in trainings) / len(trainings)
    return math.sqrt(max(p * (1 - p), 0) / images)


def decide(
    candidates: Sequence[Candidate],
    trainings: Sequence[Training],
    *,
    level: float = 0.05,
    target_ratio: float = 2.0,
    without: Collection[int] = (),
    images: int | None = None,
) -> Decision:
    """Fits the surface to what was trained and chooses; `without`: candidates that failed.

    `images` is how many each accuracy was measured on, which says what noise to expect.

    "Within one standard error" is Breiman's rule for the simplest model that is as good (Breiman,
    Friedman, Olshen, Stone 1984, section 3.4.3), with the deviation of the difference as the error.
    Raises `RunError` where fewer than two trainings succeeded.
    """
    usable = [each for each in trainings if each.candidate not in without]
    if len(usable) < 2:
        raise RunError("fewer than two trainings of the grid succeeded; nothing can be compared")
    seen = observations(candidates, usable, target_ratio)
    noise = expected_noise(usable, images)
    surface = fit_surface([c.constants for c in candidates], seen, noise=noise)
    finalists = _finalists(usable)
    leader = max(finalists, key=lambda n: (round(float(surface.mean[n]), 12), -candidates[n].macs))
    level_with = [n for n in tied(leader, surface, seen, level=level) if n not in without]
    behind, error = surface.behind(leader)
    near = [n for n in level_with if n in finalists and behind[n] <= error[n]]
    chosen = min([leader, *near], key=lambda n: (candidates[n].macs, -surface.mean[n]))
    return Decision(
        surface, leader, chosen, tuple(level_with), finalists, surface.intervals(),
        tuple(float(chance) for chance in surface.chances()),
    )  # fmt: skip


def _finalists(trainings: Sequence[Training]) -> tuple[int, ...]:
    """Returns the candidates with most seeds of the longest training."""
    longest = max(each.epochs for each in trainings)
    counts: defaultdict[int, int] = defaultdict(int)
    for each in trainings:
        counts[each.candidate] += each.epochs == longest
    most = max(counts.values())
    return tuple(sorted(number for number, count in counts.items() if count == most))


def tied(
    leader: int, surface: Surface, seen: Sequence[Observation], *, level: float = 0.05
) -> tuple[int, ...]:
    """Returns the candidates that neither test rejects, best expected first, without the leader.

    One test is the surface's: the probability of being as good as the leader is below `level`. The
    other is a paired t test on the longest trainings with the same seeds.
    """
    behind, error = surface.behind(leader)
    limit = norm.ppf(1 - level)
    rejected = _rejected_in_pairs(leader, seen, level)
    left = [
        number
        for number in range(len(behind))
        if number != leader and behind[number] <= limit * error[number] and number not in rejected
    ]
    return tuple(sorted(left, key=lambda number: float(behind[number])))


def _rejected_in_pairs(leader: int, seen: Sequence[Observation], level: float) -> set[int]:
    """Returns who is worse than the leader by a one-sided paired t test, where it can be made.

    The deviation is pooled over all who share the leader's seeds, as in a two-way layout without
    replicates: with two or three seeds, one pair's own would mean nothing.
    """
    longest = max(each.epochs for each in seen)
    scores: defaultdict[int, dict[int, float]] = defaultdict(dict)
    for each in seen:
        if each.epochs == longest:
            scores[each.candidate][each.seed] = each.score
    seeds = sorted(scores[leader])
    paired = [number for number, mine in scores.items() if all(seed in mine for seed in seeds)]
    table = np.array([[scores[number][seed] for seed in seeds] for number in paired])
    if min(table.shape) < 2:
        return set()
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    error = paired_deviation(table) * math.sqrt(2 / len(seeds))
    gaps = table[paired.index(leader)].mean() - table.mean(axis=1)
    limit = float(t.ppf(1 - level, freedom)) * error
    return {number for number, gap in zip(paired, gaps, strict=True) if gap > limit}
