"""The figures of trainings by epoch: accuracy, loss, learning rate, side of the images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from experiments.report.curve_lines import Line
from experiments.report.curves import Curve
from experiments.report.figures import TRIED, blank_figure
from experiments.report.tables import accuracy_text, escape
from experiments.training.state import EpochRecord

__all__ = [
    "MOST_POINTS",
    "accuracy_curves",
    "is_thinned",
    "loss_curves",
    "memory_text",
    "rate_curves",
    "side_curves",
]

Read = Callable[[EpochRecord], float | None]
MOST_POINTS = 8_000  # of a figure: with their hovers about a megabyte of page
FEWEST_POINTS = 30  # of a line, whatever the number of trainings
HOVER = (
    "epoch %{x}<br>validation %{customdata[0]}, loss %{customdata[1]}<br>"
    "learning rate %{customdata[2]}, %{customdata[3]}<br>%{customdata[4]}<extra></extra>"
)


def memory_text(size: int) -> str:
    """Writes bytes as `617 MiB` or `1.5 GiB`."""
    return f"{size / 2**20:,.0f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def _trainings(lines: Sequence[Line]) -> int:
    return sum(len(line.curves) for line in lines)


def _most(lines: Sequence[Line]) -> int:
    return max(FEWEST_POINTS, MOST_POINTS // max(1, _trainings(lines)))


def is_thinned(lines: Sequence[Line]) -> bool:
    """Tells whether the trainings have more epochs than are drawn."""
    return max(len(curve.epochs) for line in lines for curve in line.curves) > _most(lines)


def _drawn(curve: Curve, read: Read, most: int) -> list[EpochRecord]:
    """Returns the epochs that have a value, evenly thinned; the best and the last always stay."""
    known = [record for record in curve.epochs if read(record) is not None]
    step, best = max(1, -(-len(known) // most)), curve.best
    return [
        record
        for index, record in enumerate(known)
        if index % step == 0 or record is best or record is known[-1]
    ]


def _facts(record: EpochRecord) -> tuple[str, ...]:
    """Returns what a hover says of an epoch; what was not measured is a dash or left out."""
    size = f"{record.resolution}×{record.resolution} pixels" if record.resolution else ""
    batch = f"batches of {record.batch_size}" if record.batch_size else ""
    speed = f"{record.images_per_second:,.0f} images/s" if record.images_per_second else ""
    memory = memory_text(record.memory) if record.memory else ""
    return (
        "–" if record.accuracy is None else accuracy_text(record.accuracy, None),
        f"{record.loss:.4g}",
        f"{record.lr:.3g}",
        ", ".join(filter(None, (size, batch))) or "size not recorded",
        ", ".join(filter(None, (speed, memory, f"{record.seconds:.3g} s"))),
    )


def _axis(figure: go.Figure, lines: Sequence[Line]) -> go.Figure:
    """Gives every figure the same epochs, whole ones, whether all of them have values or not."""
    last = max(record.epoch for line in lines for c in line.curves for record in c.epochs)
    room = max(0.3, 0.02 * last)
    figure.update_xaxes(range=[1 - room, last + room], tickformat="d")
    if last <= 12:
        figure.update_xaxes(dtick=1)
    figure.update_xaxes(title_standoff=6)
    return figure.update_layout(showlegend=False, margin_b=52)


def _curve_trace(line: Line, number: int, read: Read, most: int) -> go.Scatter:
    """Draws training `number` of a network, counted from 1."""
    epochs = _drawn(line.curves[number - 1], read, most)
    seeds = f", seed {number} of {len(line.curves)}" if len(line.curves) > 1 else ""
    return go.Scatter(
        x=[record.epoch for record in epochs],
        y=[read(record) for record in epochs],
        mode="lines",
        line={"color": line.color, "dash": line.dash, "width": 2 if number == 1 else 1},
        opacity=1 if number == 1 else 0.6,
        customdata=[_facts(record) for record in epochs],
        hovertemplate=f"<b>%{{fullData.name}}</b>{seeds}, {HOVER}",
        name=escape(line.name),
        meta=[line.key],
        visible=line.shown,
    )


def _best_trace(line: Line, read: Read) -> go.Scatter:
    best = [curve.best for curve in line.curves]
    known = [record for record in best if record is not None and read(record) is not None]
    return go.Scatter(
        x=[record.epoch for record in known],
        y=[read(record) for record in known],
        mode="markers",
        marker={"color": line.color, "symbol": line.symbol, "size": 10},
        customdata=[_facts(record) for record in known],
        hovertemplate=f"<b>%{{fullData.name}}</b>, best {HOVER}",
        name=escape(line.name),
        meta=[line.key],
        visible=line.shown,
    )


def _curves(figure: go.Figure, lines: Sequence[Line], read: Read) -> go.Figure:
    """Draws a line a training and a mark at its best epoch; `meta` names the network."""
    most = _most(lines)
    for line in lines:
        numbers = range(1, len(line.curves) + 1)
        figure.add_traces([_curve_trace(line, number, read, most) for number in numbers])
    figure.add_traces([_best_trace(line, read) for line in lines])  # above all lines
    return _axis(figure, lines)


def accuracy_curves(lines: Sequence[Line]) -> go.Figure:
    """Draws validation accuracy by epoch."""
    figure = blank_figure("epoch", "validation accuracy", shares=True)
    curves = [curve for line in lines for curve in line.curves]
    known = {r.accuracy for curve in curves for r in curve.epochs if r.accuracy is not None}
    if len(known) == 1:  # around which plotly would draw shares below none and above all
        (only,) = known
        figure.update_yaxes(range=[max(0.0, only - 0.1) - 0.01, min(1.0, only + 0.1) + 0.01])
    return _curves(figure, lines, lambda record: record.accuracy)


def loss_curves(lines: Sequence[Line]) -> go.Figure:
    """Draws mean training loss by epoch."""
    return _curves(blank_figure("epoch", "training loss"), lines, lambda record: record.loss)


@dataclass(slots=True)
class _Group:
    """Gathers networks whose trainings have the same values, with the longest training."""

    lines: list[Line]
    longest: Curve

    def add(self, line: Line, curve: Curve) -> None:
        if line not in self.lines:
            self.lines.append(line)
        if len(curve.epochs) > len(self.longest.epochs):
            self.longest = curve


def _same(one: Curve, other: Curve, read: Read) -> bool:
    """Tells whether two trainings have the same values, as far as the shorter one goes."""
    pairs = zip(one.epochs, other.epochs, strict=False)
    return all((a.epoch, read(a)) == (b.epoch, read(b)) for a, b in pairs)


def _groups(lines: Sequence[Line], read: Read) -> list[_Group]:
    found: list[_Group] = []
    for line in lines:
        for curve in line.curves:
            group = next((g for g in found if _same(g.longest, curve, read)), None)
            if group is None:
                group = _Group([], curve)
                found.append(group)
            group.add(line, curve)
    return found


def _group_name(members: Sequence[Line], lines: Sequence[Line]) -> str:
    if len(members) == len(lines) > 1:
        return "every network"
    more = f" and {len(members) - 1} more" if len(members) > 1 else ""
    return f"{members[0].name}{more}"


def _shared(
    figure: go.Figure, lines: Sequence[Line], read: Read, *, shape: str, unit: str
) -> go.Figure:
    """Draws what most trainings of a run have in common: a line for all that are the same."""
    most = _most(lines)
    for group in _groups(lines, read):
        epochs, first = _drawn(group.longest, read, most), group.lines[0]
        color = TRIED if len(group.lines) == len(lines) > 1 else first.color
        figure.add_scatter(
            x=[record.epoch for record in epochs],
            y=[read(record) for record in epochs],
            mode="lines" if len(epochs) > 1 else "markers",
            line={
                "color": color, "dash": first.dash, "width": 2, "shape": shape,
            },
            marker={"color": color, "size": 9},
            customdata=[record.batch_size for record in epochs],
            hovertemplate=f"<b>%{{fullData.name}}</b><br>epoch %{{x}}: {unit}<extra></extra>",
            name=escape(_group_name(group.lines, lines)),
            meta=[line.key for line in group.lines],
            visible=any(line.shown for line in group.lines),
        )  # fmt: skip
    return _axis(figure, lines)


def rate_curves(lines: Sequence[Line]) -> go.Figure:
    """Draws the learning rate by epoch, of its last step; networks with the same share a line."""
    figure = blank_figure("epoch", "learning rate")
    figure.update_yaxes(rangemode="tozero", tickformat="~g")
    return _shared(figure, lines, lambda record: record.lr, shape="linear", unit="%{y:.3g}")


def side_curves(lines: Sequence[Line]) -> go.Figure:
    """Draws the side of the training images by epoch; networks with the same share a line."""
    figure = blank_figure("epoch", "side of the images, pixels")
    unit = "%{y}×%{y} pixels, batches of %{customdata}"
    figure.update_yaxes(tickformat="d")
    return _shared(figure, lines, lambda record: record.resolution, shape="hvh", unit=unit)
