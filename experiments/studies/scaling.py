"""What the scaling studies say: a row a point, and differences paired over seeds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

from scipy.stats import t

from nas.evaluation import Evaluation
from scaling.studies import BASE, COMPOUND, DIMENSIONS, Point

__all__ = ["Difference", "Measured", "gain", "paired", "scaling_rows", "verdicts"]

COVERED = 0.975  # the upper end of a 95% interval


@dataclass(frozen=True, slots=True)
class Measured:
    """Holds a point and its trainings by seed; of those that failed, why."""

    study: str
    point: Point
    found: dict[int, Evaluation] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def tested(self) -> dict[int, float]:
        """Returns the test accuracy of each seed."""
        return {seed: each.test_accuracy or 0.0 for seed, each in self.found.items()}

    @property
    def validated(self) -> float:
        """Averages the validation accuracy: what choices are made by."""
        return statistics.fmean(each.accuracy for each in self.found.values())


@dataclass(frozen=True, slots=True)
class Difference:
    """Holds a mean difference of n pairs, its standard error and its 95% interval (Student's t).

    With one pair nothing is known of its error.
    """

    mean: float
    error: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def is_sure(self) -> bool:
        """Tells whether the interval leaves out 0."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def paired(first: Mapping[int, float], second: Mapping[int, float]) -> Difference:
    """Subtracts `second` from `first`, seed by seed, over the seeds that both have."""
    seeds = sorted(first.keys() & second.keys())
    values = [first[seed] - second[seed] for seed in seeds]
    mean, n = statistics.fmean(values), len(values)
    if n < 2:
        return Difference(mean, None, None, None, n)
    error = statistics.stdev(values) / n**0.5
    reach = float(t.ppf(COVERED, n - 1)) * error
    return Difference(mean, error, mean - reach, mean + reach, n)


def gain(difference: Difference) -> str:
    """Writes a difference in percentage points, with its standard error where there is one."""
    error = "" if difference.error is None else f" ± {100 * difference.error:.1f}"
    return f"{100 * difference.mean:+.1f}{error}"


def scaling_rows(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """Returns a flat row for each point; without a training that succeeded it has no accuracy."""
    return [_row(each) for each in measured]


def _row(each: Measured) -> dict[str, Any]:
    point, scores = each.point, [100 * score for score in each.tested.values()]
    seconds = [found.seconds for found in each.found.values()]
    return {
        "study": each.study,
        "base": point.base,
        "scaled by": point.series,
        "asked": f"{point.asked:g}×",
        "MACs": point.macs,
        "ratio": round(point.ratio, 2),
        "side": point.spec.resolution,
        "blocks": sum(stage.repeats for stage in point.spec.stages),
        "params": point.params,
        "accuracy %": round(statistics.fmean(scores), 2) if scores else None,
        "deviation": round(statistics.stdev(scores), 2) if len(scores) > 1 else None,
        "n": len(scores),
        "seconds": round(statistics.fmean(seconds), 1) if seconds else None,
    }


def verdicts(measured: Sequence[Measured]) -> list[str]:
    """Says in a sentence or more what each study found for each base, with its uncertainty.

    It compares the seeds with which every network of a study and base was trained, but for
    networks that failed with all of them.
    """
    said: list[str] = []
    for (study, name), each in groupby(measured, key=lambda each: (each.study, each.point.base)):
        group = list(each)
        base, *scaled = _with_all_seeds([one for one in group if one.found] or group)
        if base.point.series == BASE and base.found:
            said += [f"{name}: {text}" for text in _SAYING[study](base, scaled)]
        said += [f"{name}: {_failure(one)}" for one in group if one.failed]
    return said


def _failure(each: Measured) -> str:
    seeds = ", ".join(map(str, each.failed))
    text = next(iter(each.failed.values()))
    return f"{each.point.series} at {_times(each)} could not be trained with seed {seeds}: {text}"


def _with_all_seeds(group: Sequence[Measured]) -> list[Measured]:
    seeds = set.intersection(*(set(each.found) for each in group))
    return [replace(each, found={s: each.found[s] for s in sorted(seeds)}) for each in group]


def _single(base: Measured, scaled: Sequence[Measured]) -> list[str]:
    return [_along(f"by {name} alone", [base, *line]) for name, line in _lines(scaled)]


def _interaction(base: Measured, scaled: Sequence[Measured]) -> list[str]:
    lines = _lines(scaled)
    said = [_along(f"by width under {name}", line) for name, line in lines if len(line) > 1]
    first, *others = (line[-1] for _, line in lines)
    if others:
        best = max(others, key=lambda each: each.validated)
        said.append(f"at {first.point.asked:g}× the MACs {_ahead(best, first)}")
    return said


def _compound(base: Measured, scaled: Sequence[Measured]) -> list[str]:
    said = []
    for asked, group in groupby(scaled, key=lambda each: each.point.asked):
        at = {each.point.series: each for each in group}
        alone = [at[name] for name in DIMENSIONS if name in at]
        if COMPOUND in at and alone:
            best = max(alone, key=lambda each: each.validated)
            text = _ahead(at[COMPOUND], best, f"the best single dimension ({best.point.series})")
            said.append(f"at {asked:g}× the MACs {text}")
    return said


_SAYING = {
    "single": _single,
    "interaction": _interaction,
    "compound": _compound,
    "baselines": _compound,
}


def _lines(scaled: Sequence[Measured]) -> list[tuple[str, list[Measured]]]:
    return [(name, list(line)) for name, line in groupby(scaled, key=lambda e: e.point.series)]


def _along(name: str, line: Sequence[Measured]) -> str:
    """Says what a line gains from its first point to its last, and in its last step."""
    first, before, last = line[0], line[-2], line[-1]
    whole = paired(last.tested, first.tested)
    text = f"{name}, {gain(whole)} points from {_times(first)} to {_times(last)} the MACs"
    if len(line) > 2:
        text += f", of which {gain(paired(last.tested, before.tested))} from {_times(before)} on"
    return f"{text} ({_trust(whole)})"


def _ahead(first: Measured, second: Measured, name: str = "") -> str:
    found = paired(first.tested, second.tested)
    side = "ahead of" if found.mean >= 0 else "behind"
    error = "" if found.error is None else f" ± {100 * found.error:.1f}"
    by = f"{100 * abs(found.mean):.1f}{error} points"
    return f"{first.point.series} is {side} {name or second.point.series} by {by} ({_trust(found)})"


def _times(each: Measured) -> str:
    return f"{each.point.asked:g}×"


def _trust(found: Difference) -> str:
    """Says how many pairs a difference rests on, and whether it can be told from nothing."""
    if found.low is None or found.high is None:
        return "one seed: nothing is known of its error"
    verdict = "sure at 95%" if found.is_sure else "cannot be told apart"
    return f"paired over {found.n} seeds, 95% from {100 * found.low:+.1f} to " \
           f"{100 * found.high:+.1f}: {verdict}"  # fmt: skip
