"""Draws accuracy against counted MACs: a plot for each study and base, a line for each series."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from experiments.studies.figure import COLOURS
from experiments.studies.scaling import Measured, scaling_rows
from scaling.studies import BASE

__all__ = ["scaling_figure"]

COLUMNS, HEIGHT = 2, 420


def scaling_figure(measured: Sequence[Measured]) -> str:
    """Returns a page of HTML; it opens without a network. Bars are deviations over the seeds."""
    rows = scaling_rows(measured)
    panels = list(dict.fromkeys((row["study"], row["base"]) for row in rows))
    series = list(dict.fromkeys(row["scaled by"] for row in rows if row["scaled by"] != BASE))
    height = -(-len(panels) // COLUMNS)
    titles = [f"{study}: {base}" for study, base in panels]
    figure = make_subplots(rows=height, cols=COLUMNS, subplot_titles=titles)
    shown: set[str] = set()
    for place, panel in enumerate(panels):
        at = {"row": place // COLUMNS + 1, "col": place % COLUMNS + 1}
        own = [row for row in rows if (row["study"], row["base"]) == panel]
        for name in dict.fromkeys(row["scaled by"] for row in own if row["scaled by"] != BASE):
            colour = COLOURS[series.index(name) % len(COLOURS)]
            figure.add_trace(_line(own, name, colour, legend=name not in shown), **at)
            shown.add(name)
        figure.update_xaxes(title="MACs", type="log", **at)
        figure.update_yaxes(title="test accuracy, %", **at)
    figure.update_layout(height=HEIGHT * height, title="Scaling studies, at counted MACs")
    page: str = figure.to_html(include_plotlyjs=True, full_html=True)
    return page


def _line(rows: Sequence[dict[str, object]], name: str, colour: str, *, legend: bool) -> go.Scatter:
    """Returns a series, from the base on where it begins there."""
    starts_at_base = not name.startswith("d ")
    own = [r for r in rows if r["scaled by"] == name or (r["scaled by"] == BASE and starts_at_base)]
    return go.Scatter(
        x=[row["MACs"] for row in own],
        y=[row["accuracy %"] for row in own],
        error_y={"type": "data", "array": [row["deviation"] for row in own]},
        name=name, legendgroup=name, showlegend=legend, mode="lines+markers",
        line={"color": colour},
    )  # fmt: skip
