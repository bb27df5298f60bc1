"""A published network brought to a MACs target, as at the small resolutions of small images."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from scaling.compound import macs_label
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.resize import ROUNDING, Rounding, limit_stride, resize
from search_spaces.spec import ArchSpec, SpecError

__all__ = ["finer_roundings", "fit_macs"]

LOWEST_WIDTH, HIGHEST_WIDTH, WIDTH_COUNT = 0.02, 4.0, 400
LOWEST_DEPTH, HIGHEST_DEPTH, DEPTH_COUNT = 0.1, 4.0, 48
FINER_DIVISORS = (4, 2)  # what small networks need: at 8, one step of a width is most of it


@dataclass(frozen=True, slots=True)
class _Fit:
    """Holds a network, its MACs, and how far they are from the target, relative to it."""

    spec: ArchSpec
    macs: int
    error: float


def fit_macs(
    spec: ArchSpec,
    target_macs: float,
    *,
    resolution: int | None = None,
    num_classes: int | None = None,
    max_stride: int | None = None,
    tolerance: float = 0.1,
    rounding: Rounding = ROUNDING,
    name: str | None = None,
) -> ArchSpec:
    """Resizes a network until its counted MACs are within `tolerance` (relative) of the target.

    Resolution, classes and largest total stride are set first. Then widths are multiplied, and
    depths only where widths alone cannot do it: of the networks within the tolerance the one with
    depth nearest to its own is taken, then the one with MACs nearest to the target. Where the
    rounding's divisor is too coarse, 4 and then 2 are tried. The name defaults to the spec's with
    the target. Raises `InputError` with the nearest MACs there are when nothing fits.
    """
    if not (math.isfinite(target_macs) and target_macs > 0 and tolerance > 0):
        raise InputError(
            f"target {target_macs:g} MACs and tolerance {tolerance:g} must both be positive"
        )
    base = _prepared(spec, resolution, num_classes, max_stride)
    nearest: _Fit | None = None
    for finer in finer_roundings(rounding):
        for depth in _depths(base, finer):
            found = _best_width(base, target_macs, depth, finer)
            if nearest is None or found.error < nearest.error:
                nearest = found
            if found.error <= tolerance:
                return replace(found.spec, name=name or f"{spec.name}_{macs_label(target_macs)}")
    reached = macs_label(nearest.macs) if nearest else "nothing"
    raise InputError(
        f"{spec.name} at {base.resolution} pixels cannot be brought within {tolerance:.0%} of "
        f"{macs_label(target_macs)} MACs; the nearest is {reached}: change target or resolution"
    )


def _prepared(
    spec: ArchSpec, resolution: int | None, num_classes: int | None, max_stride: int | None
) -> ArchSpec:
    spec = spec if max_stride is None else limit_stride(spec, max_stride)
    return replace(
        spec,
        resolution=spec.resolution if resolution is None else resolution,
        num_classes=spec.num_classes if num_classes is None else num_classes,
    )


def finer_roundings(rounding: Rounding) -> Iterator[Rounding]:
    """Yields the rounding, then the same with the divisors 4 and 2 where those are finer."""
    yield rounding
    for divisor in FINER_DIVISORS:
        if divisor < rounding.divisor:
            yield replace(rounding, divisor=divisor)


@lru_cache(maxsize=4)
def _log_grid(low: float, high: float, count: int) -> tuple[float, ...]:
    """Returns `count` multipliers in equal ratios, and exactly 1 among them."""
    ratio = (high / low) ** (1 / (count - 1))
    return tuple(sorted({1.0, *(round(low * ratio**i, 6) for i in range(count))}))


def _depths(base: ArchSpec, rounding: Rounding) -> Iterator[float]:
    """Yields depth multipliers that differ in repeats, nearest to 1 first."""
    seen: set[tuple[int, ...]] = set()
    grid = _log_grid(LOWEST_DEPTH, HIGHEST_DEPTH, DEPTH_COUNT)
    for depth in sorted(grid, key=lambda depth: abs(math.log(depth))):
        deeper = _resized(base, 1.0, depth, rounding)
        repeats = tuple(stage.repeats for stage in deeper.stages) if deeper else ()
        if repeats and repeats not in seen:
            seen.add(repeats)
            yield depth


def _resized(base: ArchSpec, width: float, depth: float, rounding: Rounding) -> ArchSpec | None:
    try:
        return resize(base, width=width, depth=depth, rounding=rounding)
    except SpecError:  # wider or deeper than any network may be
        return None


def _best_width(base: ArchSpec, target: float, depth: float, rounding: Rounding) -> _Fit:
    """Returns the width multiplier's network nearest to the target, by bisection.

    MACs never fall as widths rise, so the nearest is the first to reach the target or the one
    below it. Width 1 stands apart: it leaves widths that are no multiple of the divisor alone.
    """
    widths = _log_grid(LOWEST_WIDTH, HIGHEST_WIDTH, WIDTH_COUNT)

    def fit(index: int) -> _Fit | None:
        spec = _resized(base, widths[index], depth, rounding)
        if spec is None:
            return None
        macs = cost(spec).macs
        return _Fit(spec, macs, abs(macs - target) / target)

    low, high = 0, len(widths) - 1
    while low < high:
        middle = (low + high) // 2
        found = fit(middle)
        low, high = (low, middle) if found is None or found.macs >= target else (middle + 1, high)
    places = (widths.index(1.0), low, max(low - 1, 0))
    return min((found for found in map(fit, places) if found), key=lambda found: found.error)
