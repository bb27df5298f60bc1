"""The base network as a drawing: one inline SVG, with the same in words."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from experiments.amounts import format_count
from experiments.report.tables import escape
from search_spaces.cost import StageCost, cost
from search_spaces.spec import ArchSpec, StageSpec

__all__ = ["draw"]

WIDTH, BARS, GAP = 420, 140, 14  # user units: the drawing, its column of bars, between stages
BAR, STEP, TEXT = 15, 19, 54  # a bar's height, from one bar to the next, three lines of label
LINE = 17
MOST_BARS = 8
KINDS = {
    "conv": "Convolution",
    "dsconv": "Depthwise-separable",
    "mbconv": "MBConv",
    "fused": "Fused-MBConv",
    "basic": "Basic block",
    "bottleneck": "Bottleneck",
}


@dataclass(frozen=True, slots=True)
class _Part:
    kind: str
    title: str
    details: tuple[str, ...]
    channels: int
    repeats: int = 1

    @property
    def height(self) -> int:
        return max(TEXT, min(self.repeats, MOST_BARS) * STEP)

    @property
    def words(self) -> str:
        return ", ".join((self.title, *self.details))


def _ending(counted: StageCost) -> str:
    return f"{counted.side}×{counted.side} pixels, {format_count(counted.macs)} MACs"


def _expansion(stage: StageSpec) -> str:
    return f"expand {stage.expand:g}" if stage.expand_ch is None else f"{stage.expand_ch} inside"


def _stage(stage: StageSpec, counted: StageCost) -> _Part:
    arrow = ", stride 2" if stage.stride == 2 else ""
    gate = f"SE {stage.se_ratio:g}" if stage.se_ratio else "no SE"
    return _Part(
        stage.kind,
        f"{KINDS[stage.kind]} {stage.kernel}×{stage.kernel}{arrow}, ×{stage.repeats}",
        (f"{_expansion(stage)}, {gate}, {stage.out_ch} channels", _ending(counted)),
        stage.out_ch,
        stage.repeats,
    )


def _parts(spec: ArchSpec) -> Iterator[_Part]:
    stem, *stages, head, _ = cost(spec).stages
    arrow = ", stride 2" if spec.stem_stride == 2 else ""
    title = f"Stem {spec.stem_kernel}×{spec.stem_kernel}{arrow}"
    yield _Part("plain", title, (f"{spec.stem_ch} channels", _ending(stem)), spec.stem_ch)
    for stage, counted in zip(spec.stages, stages, strict=True):
        yield _stage(stage, counted)
    if spec.head == "conv":
        yield _Part("plain", "Head 1×1", (f"{spec.head_ch} channels", _ending(head)), spec.head_ch)
    yield _Part("plain", "Classifier", (f"pool, {spec.num_classes} classes",), spec.num_classes)


def _bars(part: _Part, top: float, widest: int) -> Iterator[str]:
    width = max(6.0, BARS * math.sqrt(part.channels / widest))
    shown = min(part.repeats, MOST_BARS)
    left = (BARS - width) / 2
    start = top + (part.height - shown * STEP + STEP - BAR) / 2
    for number in range(shown):
        yield (
            f'<rect class="{part.kind}" x="{left:.1f}" y="{start + number * STEP:.1f}"'
            f' width="{width:.1f}" height="{BAR}" rx="3"/>'
        )


def _label(part: _Part, top: float) -> Iterator[str]:
    texts = [("name", part.title), *(("detail", detail) for detail in part.details)]
    first = top + part.height / 2 - (len(texts) - 1) * LINE / 2 + 5
    for number, (kind, text) in enumerate(texts):
        y = first + number * LINE
        yield f'<text class="{kind}" x="{BARS + 16}" y="{y:.1f}">{escape(text)}</text>'


def draw(spec: ArchSpec) -> str:
    """Draws a network from its input down: a bar a block, labels beside, a text alternative.

    The side of a bar grows with the square root of its channels, so that narrow ones are seen.
    """
    parts = list(_parts(spec))
    widest = max(part.channels for part in parts)
    top, shapes = 4.0, []
    for part in parts:
        shapes += [*_bars(part, top, widest), *_label(part, top)]
        top += part.height + GAP
    title = f"{spec.name}, for {spec.in_ch}×{spec.resolution}×{spec.resolution} inputs"
    words = "; ".join(part.words for part in parts)
    return (
        f'<svg class="network" viewBox="0 0 {WIDTH} {top:.0f}" role="img"'
        f' aria-labelledby="network-title network-words">'
        f'<title id="network-title">{escape(title)}</title>'
        f'<desc id="network-words">{escape(words)}</desc>{"".join(shapes)}</svg>\n'
    )
