"""The scaling studies of EfficientNet's paper: which networks they compare, at counted MACs.

A study is a list of points: a base, and the base scaled to some ratio of its MACs by one dimension
or by all three (arXiv:1905.11946: figures 3 and 4, tables 3 and 7).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from scaling.compound import Constants, macs_text
from scaling.fit import finer_roundings
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.resize import ROUNDING, Rounding, resize
from search_spaces.spec import ArchSpec, SpecError

__all__ = [
    "BASE",
    "COMPOUND",
    "DIMENSIONS",
    "STUDIES",
    "Point",
    "Rules",
    "scaled_to",
    "study_points",
]

NEAR = 0.05  # of the ratio asked: finer divisors are not tried then
REACHED = 0.2  # of the ratio asked: what is farther is another ratio
LOWEST, HIGHEST = 1 / 16, 16.0  # nominal over counted ratio: how far rounding may take them apart
HALVINGS = 40
BASE, COMPOUND = "base", "compound"
SETTINGS = ((1.0, 1.0), (2.0, 1.0), (1.0, 1.3), (2.0, 1.3))  # (depth, resolution): figure 4

Factors = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Rules:
    """Says what compound scaling multiplies by, and how widths and repeats are rounded."""

    constants: Constants
    rounding: Rounding = ROUNDING

    def __post_init__(self) -> None:
        low = min(self.constants.as_dict().values())
        if low < 1 or self.constants.product <= 1:
            raise InputError(
                f"constants multiply by {low:.3g} at least and MACs by "
                f"{self.constants.product:.3g}; none below 1, and MACs by more than 1, are wanted"
            )

    def compound(self, ratio: float) -> Factors:
        """Returns α^φ, β^φ, γ^φ for the φ at which (α·β²·γ²)^φ is the ratio."""
        phi = math.log(ratio) / math.log(self.constants.product)
        found = self.constants
        return found.alpha**phi, found.beta**phi, found.gamma**phi


@dataclass(frozen=True, slots=True)
class Point:
    """Holds one network of a study: how the base was scaled, and what that really costs.

    `series` is the line of the figure that it belongs to, `asked` the MACs ratio looked for,
    `ratio` the counted one. The factors are those before rounding.
    """

    base: str
    series: str
    asked: float
    depth: float
    width: float
    side_factor: float
    spec: ArchSpec
    macs: int
    params: int
    ratio: float


def _alone(place: int, exponent: float) -> Callable[[float], Factors]:
    def factors(ratio: float) -> Factors:
        depth, width, side = (ratio**exponent if i == place else 1.0 for i in range(3))
        return depth, width, side

    return factors


DIMENSIONS: Mapping[str, Callable[[float], Factors]] = {
    "depth": _alone(0, 1.0),
    "width": _alone(1, 0.5),
    "resolution": _alone(2, 0.5),
}


def _point(base: ArchSpec, series: str, asked: float, by: Factors, rounding: Rounding) -> Point:
    depth, width, side = by
    spec = resize(
        base, depth=depth, width=width, resolution=max(1, round(base.resolution * side)),
        rounding=rounding, name=base.name if series == BASE else f"{base.name} {series} {asked:g}×",
    )  # fmt: skip
    counted = cost(spec)
    macs, own = int(counted.macs), int(cost(base).macs)
    params = int(counted.params)
    return Point(base.name, series, asked, *by, spec, macs, params, macs / own)


def _base_point(base: ArchSpec, rules: Rules) -> Point:
    return _point(base, BASE, 1.0, (1.0, 1.0, 1.0), rules.rounding)


def _nearest(
    base: ArchSpec,
    series: str,
    asked: float,
    factors: Callable[[float], Factors],
    rounding: Rounding,
) -> Point | None:
    """Bisects nominal ratios for the two networks on either side of the asked ratio.

    MACs never fall as the nominal ratio rises, so the nearest network is one of these two. Returns
    None where no nominal ratio makes a network.
    """
    low, high = math.log(asked * LOWEST), math.log(asked * HIGHEST)
    found: list[Point] = []
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        try:
            found.append(_point(base, series, asked, factors(math.exp(middle)), rounding))
            is_above = found[-1].ratio >= asked
        except (SpecError, OverflowError):  # larger, or smaller, than any network may be
            is_above = middle > 0
        low, high = (low, middle) if is_above else (middle, high)
    return min(found, key=_error, default=None)


def scaled_to(
    base: ArchSpec,
    series: str,
    asked: float,
    factors: Callable[[float], Factors],
    rounding: Rounding = ROUNDING,
) -> Point:
    """Scales a base until its counted MACs are nearest to `asked` times the base's.

    `factors` gives depth, width and resolution factors for a nominal ratio. Where the rounding's
    divisor leaves it more than 5% away, 4 and then 2 are tried. Raises `InputError` where the
    nearest is more than 20% away.
    """
    best: Point | None = None
    for finer in finer_roundings(rounding):
        found = _nearest(base, series, asked, factors, finer)
        if found and (best is None or _error(found) < _error(best)):
            best = found
        if best is not None and _error(best) <= NEAR:
            break
    if best is None or _error(best) > REACHED:
        nearest = (
            "no network may be like that"
            if best is None
            else f"the nearest is {best.ratio:.3g}× ({macs_text(best.macs)})"
        )
        raise InputError(
            f"{base.name} cannot be scaled to {asked:g}× its {macs_text(cost(base).macs)} MACs by "
            f"{series}; {nearest}: choose another ratio, base or rounding"
        )
    return best


def _error(point: Point) -> float:
    return abs(point.ratio / point.asked - 1)


def _single(base: ArchSpec, ratios: Sequence[float], rules: Rules) -> list[Point]:
    return [
        _base_point(base, rules),
        *(
            scaled_to(base, name, ratio, factors, rules.rounding)
            for name, factors in DIMENSIONS.items()
            for ratio in ratios
        ),
    ]


def _interaction(base: ArchSpec, ratios: Sequence[float], rules: Rules) -> list[Point]:
    """Widens under four settings of depth and resolution until MACs are the asked ratios."""
    points = [_base_point(base, rules)]
    for depth, side in SETTINGS:

        def widened(nominal: float, depth: float = depth, side: float = side) -> Factors:
            return depth, math.sqrt(nominal / (depth * side**2)), side

        series = f"d {depth:g}, r {side:g}"
        points += [scaled_to(base, series, ratio, widened, rules.rounding) for ratio in ratios]
    return points


def _compound(base: ArchSpec, ratios: Sequence[float], rules: Rules) -> list[Point]:
    """Scales by each dimension and by all, to the MACs that depth comes to.

    Depth moves in the coarsest steps, so the others follow it: MACs differ least that way.
    """
    points = [_base_point(base, rules)]
    for ratio in ratios:
        deeper = scaled_to(base, "depth", ratio, DIMENSIONS["depth"], rules.rounding)
        others = {**DIMENSIONS, COMPOUND: rules.compound}
        del others["depth"]
        points.append(deeper)
        for name, factors in others.items():
            found = scaled_to(base, name, deeper.ratio, factors, rules.rounding)
            spec = replace(found.spec, name=f"{base.name} {name} {ratio:g}×")
            points.append(replace(found, asked=ratio, spec=spec))
    return points


STUDIES: Mapping[str, Callable[[ArchSpec, Sequence[float], Rules], list[Point]]] = {
    "single": _single,
    "interaction": _interaction,
    "compound": _compound,
    "baselines": _compound,
}


def study_points(
    study: str, base: ArchSpec, ratios: Sequence[float], rules: Rules
) -> tuple[Point, ...]:
    """Returns a study's points for one base, the base itself first.

    Raises `InputError` for an unknown study, ratios below 1 or given twice, and a ratio that the
    base cannot be scaled to.
    """
    if study not in STUDIES:
        raise InputError(f"no study is called {study!r}; they are {', '.join(STUDIES)}")
    if not ratios or len(set(ratios)) < len(ratios) or not all(1 < r < math.inf for r in ratios):
        raise InputError(
            f"ratios {', '.join(f'{r:g}' for r in ratios)}: numbers above 1 are wanted, each once"
        )
    return tuple(STUDIES[study](base, sorted(ratios), rules))
