"""How the Pareto front of a search grew."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import plotly.graph_objects as go

from experiments.aim_texts import cost_label
from experiments.report.contents import Contents, Trial
from experiments.report.figures import PALETTE, blank_figure
from nas.pareto import hypervolumes

__all__ = ["hypervolume_figure"]


def hypervolume_figure(contents: Contents) -> go.Figure:
    """Draws the hypervolume of accuracy and the front's cost against the time of trainings.

    The cost is taken in doublings, log2, and the reference point is an accuracy of 0 at the cost
    of the most costly network.
    """
    over = contents.front_cost
    figure = blank_figure("training time (minutes)", f"accuracy × doublings of {cost_label(over)}")
    trials = [t for t in contents.trials if t.evaluated and t.costs.get(over, 0) > 0 and t.accuracy]
    if not trials:
        return figure

    def doublings(trial: Trial) -> float:
        return math.log2(trial.costs[over])

    areas = hypervolumes(
        trials,
        gain=lambda trial: trial.accuracy or 0.0,
        cost=doublings,
        least_gain=0.0,
        most_cost=max(map(doublings, trials)),
    )
    minutes = _minutes(contents, trials)
    texts = [
        f"trial {trial.number}, after {at:.1f} minutes: {area:.4g}"
        for trial, at, area in zip(trials, minutes, areas, strict=True)
    ]
    figure.add_trace(
        go.Scatter(
            x=minutes,
            y=areas,
            mode="lines",
            line={"color": PALETTE[0], "shape": "hv"},
            name="hypervolume",
            hovertext=texts,
            hovertemplate="%{hovertext}<extra></extra>",
        )
    )
    return figure


def _minutes(contents: Contents, trials: Sequence[Trial]) -> list[float]:
    """Returns when each of some trials had ended: after the trainings of all, also those left."""
    spent = [0.0 if trial.duplicate else trial.seconds or 0.0 for trial in contents.trials]
    at = dict(zip((t.number for t in contents.trials), itertools.accumulate(spent), strict=True))
    return [at[trial.number] / 60 for trial in trials]
