"""Fewer points where a figure would have very many: the best ones, and others evenly between."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from experiments.report.contents import Trial

__all__ = ["MOST", "best_so_far", "label", "rises", "thinned"]

MOST = 2000  # points of a kind: a browser draws them at once, and a page stays under a few MB


def thinned(trials: Sequence[Trial]) -> list[Trial]:
    """Returns at most 2,000 trials, in order: a quarter the best, and others evenly spread."""
    if len(trials) <= MOST:
        return list(trials)
    places = sorted(range(len(trials)), key=lambda place: -(trials[place].reward or 0.0))
    best = places[: MOST // 4]
    step = len(trials) / (MOST - len(best))
    kept = {*best, *(int(number * step) for number in range(MOST - len(best)))}
    return [trials[place] for place in sorted(kept)]


def label(name: str, drawn: Sequence[Trial], trials: Sequence[Trial]) -> str:
    """Names points, and says how many of them are drawn where not all are."""
    if len(drawn) == len(trials):
        return name
    return f"{name} ({len(drawn):,} of {len(trials):,} drawn)"


def rises(values: Sequence[float]) -> list[int]:
    """Returns the places of a line that never falls which are to be drawn.

    Of more than 2,000 those are enough at which it rises, and the last.
    """
    places = range(len(values))
    if len(values) <= MOST:
        return list(places)
    return sorted({0, *(i for i in places[1:] if values[i] > values[i - 1]), len(values) - 1})


def best_so_far(trials: Sequence[Trial]) -> tuple[list[int], list[float]]:
    """Returns the numbers of trials and the best reward up to each, as far as they are drawn."""
    best = list(itertools.accumulate((trial.reward or 0.0 for trial in trials), max))
    places = rises(best)
    return [trials[place].number for place in places], [best[place] for place in places]
