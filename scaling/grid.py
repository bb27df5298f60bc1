"""The grid of α, β, γ: which constants are worth training, and which of them came out best."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass

from scaling.compound import PAPER, Constants, scale
from scaling.grid_range import EPSILON, GridRange
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.resize import ROUNDING, Rounding
from search_spaces.spec import ArchSpec

__all__ = [
    "Candidate",
    "GridRange",
    "GridResult",
    "candidates",
    "distinct",
    "grid_score",
    "nominal_points",
    "rank",
    "spread",
]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Holds constants worth training, and the network that they make of the base at φ = 1.

    `macs_ratio` is counted: the candidate's MACs over the base's.
    """

    constants: Constants
    spec: ArchSpec
    product: float
    macs: int
    params: int
    macs_ratio: float
    resolution: int
    fingerprint: str

    def as_row(self) -> dict[str, float | int | str]:
        """Returns the candidate as one flat table row."""
        return {
            **self.constants.as_dict(),
            "product": self.product,
            "macs": self.macs,
            "macs_ratio": self.macs_ratio,
            "params": self.params,
            "resolution": self.resolution,
            "fingerprint": self.fingerprint,
        }


def candidates(
    base: ArchSpec, grid: GridRange, *, rounding: Rounding = ROUNDING
) -> tuple[Candidate, ...]:
    """Returns a candidate for each point that is admitted, nearest to the grid's product first.

    Raises `InputError`, with the nearest point there is, when none is.
    """
    base_macs = cost(base).macs
    if grid.constraint == "nominal":
        points = nominal_points(grid)
    else:

        def counted(point: Constants) -> float:
            return cost(scale(base, 1, point, rounding=rounding)).macs / base_macs

        points = _admitted(grid, counted, f"counted MACs ratio of {base.name}")
    return tuple(_candidate(base, base_macs, point, rounding) for point in points)


def nominal_points(grid: GridRange) -> list[Constants]:
    """Returns the points whose α·β²·γ² is within the tolerance, nearest to the product first.

    Raises `InputError`, with the nearest point there is, when none is left.
    """
    return _admitted(grid, lambda point: point.product, "α·β²·γ²")


def _admitted(grid: GridRange, ratio: Callable[[Constants], float], what: str) -> list[Constants]:
    ratios = {point: ratio(point) for point in grid.points()}
    points = [point for point, value in ratios.items() if grid.admits(value)]
    if not points:
        nearest = min(ratios, key=lambda point: grid.distance(ratios[point]))
        raise InputError(
            f"grid: no {what} is within {grid.tolerance:g} of {grid.product:g}; the nearest is "
            f"{ratios[nearest]:.6g} at {_written(nearest)}: widen the ranges or the tolerance"
        )
    return sorted(
        points, key=lambda point: (round(grid.distance(ratios[point]), 9), astuple(point))
    )


def _written(point: Constants) -> str:
    return ",".join(f"{value:g}" for value in astuple(point))


def _candidate(
    base: ArchSpec, base_macs: int, constants: Constants, rounding: Rounding
) -> Candidate:
    name = f"{base.name}_a{constants.alpha:g}_b{constants.beta:g}_g{constants.gamma:g}"
    spec = scale(base, 1, constants, rounding=rounding, name=name)
    counted = cost(spec)
    return Candidate(
        constants=constants,
        spec=spec,
        product=constants.product,
        macs=counted.macs,
        params=counted.params,
        macs_ratio=counted.macs / base_macs,
        resolution=spec.resolution,
        fingerprint=fingerprint(spec),
    )


def distinct(found: Sequence[Candidate], *, product: float = 2.0) -> tuple[Candidate, ...]:
    """Keeps one candidate per network: the one whose α·β²·γ² is nearest to `product`.

    On small bases rounding makes many constants build the same network, and training it twice
    would tell nothing apart. The order is kept.
    """
    kept: dict[str, Candidate] = {}
    for candidate in found:
        known = kept.setdefault(candidate.fingerprint, candidate)
        if abs(candidate.product - product) < abs(known.product - product) - EPSILON:
            kept[candidate.fingerprint] = candidate
    return tuple(kept.values())


def spread(found: Sequence[Candidate], count: int) -> tuple[Candidate, ...]:
    """Picks `count` candidates that cover the range: farthest point first, in log α, log β, log γ.

    It starts with the one nearest to the paper's constants and then adds, each time, the one
    whose nearest pick is farthest away, so that a shorter pick is the start of a longer one.
    Raises `InputError` for a count below 1.
    """
    if count < 1:
        raise InputError(f"grid: {count} candidates make no grid; pick at least 1")
    if not found:
        return ()
    places = [_log_place(candidate.constants) for candidate in found]
    paper = _log_place(PAPER)
    picked = [min(range(len(found)), key=lambda i: math.dist(places[i], paper))]
    gaps = [math.dist(place, places[picked[0]]) for place in places]
    while len(picked) < min(count, len(found)):
        gaps[picked[-1]] = -1.0  # never picked again, even where two share a place
        farthest = max(range(len(found)), key=lambda i: round(gaps[i], 9))
        picked.append(farthest)
        gaps = [
            min(gap, math.dist(place, places[farthest]))
            for gap, place in zip(gaps, places, strict=True)
        ]
    return tuple(found[i] for i in picked)


def _log_place(constants: Constants) -> tuple[float, ...]:
    return tuple(math.log(value) for value in astuple(constants))


@dataclass(frozen=True, slots=True)
class GridResult:
    """Holds a candidate's accuracies, one a seed (none: it failed), and the seconds they took."""

    candidate: Candidate
    accuracies: tuple[float, ...]
    seconds: float

    @property
    def n(self) -> int:
        """Counts the runs that gave an accuracy."""
        return len(self.accuracies)

    @property
    def mean(self) -> float:
        """Averages the accuracies; not a number (NaN) when the candidate failed."""
        return statistics.fmean(self.accuracies) if self.accuracies else math.nan

    @property
    def deviation(self) -> float:
        """Returns the sample's standard deviation (n − 1); NaN for fewer than two runs."""
        return statistics.stdev(self.accuracies) if self.n > 1 else math.nan


def grid_score(
    accuracy: float, macs_ratio: float, *, target_ratio: float = 2.0, exponent: float = -0.07
) -> float:
    """Returns accuracy·(macs_ratio/target_ratio)^exponent, higher being better.

    It is MnasNet's soft reward (arXiv:1807.11626, equation 2) with the cost at φ = 1 as the
    constrained quantity. Rounding makes candidates of equal α·β²·γ² differ in counted MACs, so
    accuracy alone would favour those that rounding happened to make dearer.
    """
    return accuracy * math.pow(macs_ratio / target_ratio, exponent)


def rank(
    results: Sequence[GridResult], *, target_ratio: float = 2.0, exponent: float = -0.07
) -> tuple[GridResult, ...]:
    """Orders results by `grid_score` of their mean accuracy, best first.

    Of equal ones the cheaper comes first; those that failed come last.
    """

    def key(result: GridResult) -> tuple[bool, float, int, tuple[float, ...]]:
        failed = math.isnan(result.mean)
        ratio = result.candidate.macs_ratio
        score = grid_score(result.mean, ratio, target_ratio=target_ratio, exponent=exponent)
        order = astuple(result.candidate.constants)
        return (failed, 0.0 if failed else -score, result.candidate.macs, order)

    return tuple(sorted(results, key=key))
