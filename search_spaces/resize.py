"""A network made wider, deeper and larger, by the rounding rules that were published."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from search_spaces.checks import check_int, check_real
from search_spaces.spec import ArchSpec, SpecError, StageSpec

__all__ = ["ROUNDING", "Rounding", "limit_stride", "resize", "round_filters", "round_repeats"]


@dataclass(frozen=True, slots=True)
class Rounding:
    """Says how widths and repeats are rounded when a network is resized.

    The defaults are EfficientNet's (tensorflow/tpu `efficientnet_model.py`): widths to multiples
    of `divisor`, never more than 10% below the exact width (`ninety_percent`). Lite networks keep
    stem, head, and the repeats of the first and last stage (`fixed_ends`).

    `late_layers` gives later stages more of the depth, as EfficientNetV2 does by hand
    (arXiv:2104.00298, section 3.3): stage i of N, from 0, is repeated depth^(1 + late_layers·t)
    times as often, t = i/(N − 1). At 0 all stages share one multiplier. Raises `SpecError` for
    values that make no rule.
    """

    divisor: int = 8
    ninety_percent: bool = True
    fixed_ends: bool = False
    late_layers: float = 0.0

    def __post_init__(self) -> None:
        check_int("rounding: divisor", self.divisor, 1, 1024)
        check_real("rounding: late_layers", self.late_layers, 0, 4)


ROUNDING = Rounding()


def round_filters(channels: float, rounding: Rounding = ROUNDING) -> int:
    """Rounds a width: max(d, int(c + d/2)//d·d), plus d if that is below 0.9·c."""
    divisor = rounding.divisor
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    if rounding.ninety_percent and rounded < 0.9 * channels:
        rounded += divisor
    return rounded


def round_repeats(repeats: float) -> int:
    """Rounds a number of blocks up, as EfficientNet does, blind to errors below 1e-9."""
    return max(1, math.ceil(repeats - 1e-9))


def resize(
    spec: ArchSpec,
    *,
    width: float = 1.0,
    depth: float = 1.0,
    resolution: int | None = None,
    name: str | None = None,
    rounding: Rounding = ROUNDING,
) -> ArchSpec:
    """Multiplies widths and depths and sets the resolution (pixels).

    A width of exactly 1 leaves every width as it is, also one that is no multiple of the divisor.
    The inner width of a bottleneck is rounded by itself: a quarter of 280 is no multiple of 8.
    Raises `SpecError` for multipliers that are not positive.
    """
    if not (0 < width < math.inf and 0 < depth < math.inf):
        raise SpecError(f"width {width:g} and depth {depth:g} must both be positive")

    last = len(spec.stages) - 1

    def filters(channels: int) -> int:
        return channels if width == 1 else round_filters(channels * width, rounding)

    def stage(index: int, old: StageSpec) -> StageSpec:
        fixed = rounding.fixed_ends and index in (0, last)
        deeper = depth ** (1 + rounding.late_layers * index / max(1, last))
        repeats = old.repeats if fixed else round_repeats(old.repeats * deeper)
        new = replace(old, out_ch=filters(old.out_ch), repeats=repeats, expand_ch=None)
        inner = _inner_width(old)
        if inner is None or (old.expand_ch is None and filters(inner) == _inner_width(new)):
            return new
        return replace(new, expand_ch=filters(inner))

    ends = (spec.stem_ch, spec.head_ch, spec.hidden_ch)
    if not rounding.fixed_ends:
        ends = (filters(ends[0]), filters(ends[1]), filters(ends[2]) if ends[2] else 0)
    stem_ch, head_ch, hidden_ch = ends
    return replace(
        spec,
        name=name or spec.name,
        resolution=spec.resolution if resolution is None else resolution,
        stages=tuple(stage(i, s) for i, s in enumerate(spec.stages)),
        stem_ch=stem_ch,
        head_ch=head_ch,
        hidden_ch=hidden_ch,
    )


def _inner_width(stage: StageSpec) -> int | None:
    """Returns the width inside a stage's blocks where it is no multiple of their input's."""
    if stage.expand_ch is not None or stage.kind != "bottleneck":
        return stage.expand_ch
    return round(stage.out_ch * stage.expand)


def limit_stride(spec: ArchSpec, max_stride: int) -> ArchSpec:
    """Drops the earliest stride-2 steps until the total stride is at most `max_stride`.

    This is how networks made for 224×224 are commonly brought to small images: the final feature
    map stays large enough to mean something.
    """
    while spec.total_stride > max(1, max_stride):
        if spec.stem_stride == 2:
            spec = replace(spec, stem_stride=1)
            continue
        if spec.stem_pool:
            spec = replace(spec, stem_pool=False)
            continue
        first = next(i for i, stage in enumerate(spec.stages) if stage.stride == 2)
        stages = list(spec.stages)
        stages[first] = replace(stages[first], stride=1)
        spec = replace(spec, stages=tuple(stages))
    return spec
