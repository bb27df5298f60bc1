"""Draws regret against trials: the median over the seeds, and where half of them lie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from experiments.studies.regret import Searched

__all__ = ["regret_figure"]

COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999",
    "#8c564b",
)  # fmt: skip


def regret_figure(searches: Sequence[Searched]) -> str:
    """Returns a page of HTML with one plot for each problem; it opens without a network."""
    problems = list(dict.fromkeys(each.problem for each in searches))
    samplers = list(dict.fromkeys(map(_label, searches)))
    figure = make_subplots(rows=1, cols=len(problems), subplot_titles=problems)
    for column, problem in enumerate(problems, 1):
        for place, sampler in enumerate(samplers):
            group = [e for e in searches if (e.problem, _label(e)) == (problem, sampler)]
            colour = COLOURS[place % len(COLOURS)]
            for trace in _traces(group, sampler, colour, legend=column == 1):
                figure.add_trace(trace, row=1, col=column)
        figure.update_xaxes(title="trials", row=1, col=column)
        figure.update_yaxes(title="regret, %", type="log", row=1, col=column)
    page: str = figure.to_html(include_plotlyjs=True, full_html=True)
    return page


def _label(search: Searched) -> str:
    return search.sampler if search.at_once == 1 else f"{search.sampler}, {search.at_once} at once"


def _traces(group: Sequence[Searched], name: str, colour: str, *, legend: bool) -> list[go.Scatter]:
    trials = min(len(each.regret) for each in group)
    found = np.maximum([each.regret[:trials] for each in group], 0.01)
    low, middle, high = np.quantile(found, (0.25, 0.5, 0.75), axis=0)
    steps = np.arange(1, trials + 1)
    band = go.Scatter(
        x=np.concatenate([steps, steps[::-1]]), y=np.concatenate([high, low[::-1]]),
        fill="toself", fillcolor=colour, opacity=0.15, line={"width": 0}, hoverinfo="skip",
        showlegend=False, legendgroup=name,
    )  # fmt: skip
    line = go.Scatter(
        x=steps, y=middle, name=name, line={"color": colour}, legendgroup=name, showlegend=legend
    )
    return [band, line]
