"""How the Pareto front of a search grew."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import plotly.graph_objects as go

from experiments.aim_texts import cost_label
from experiments.goals import front_of
from experiments.report.contents import Contents, Trial
from experiments.report.figures import PALETTE, blank_figure
from experiments.report.thinning import rises
from nas.front import Front, base_reward
from nas.pareto import Span

__all__ = ["hypervolume_figure"]


def hypervolume_figure(contents: Contents, *, by: str = "time") -> go.Figure:
    """Draws the hypervolume of accuracy and the front's cost against time or against trials.

    It is the best accuracy for each budget, averaged over the logarithm of the front's costs: the
    range that was searched, or from the cheapest network trained to the most costly.
    """
    over = contents.front_cost
    x_title = "training time (minutes)" if by == "time" else "networks trained"
    figure = blank_figure(x_title, f"best accuracy, mean over {cost_label(over)}", shares=True)
    trials = _placed(contents.trials, over)
    front = front_of(contents.config.search) or _spanned(trials, over)
    if front is None:
        return figure
    figure.add_trace(_growth(contents.trials, front, by, "the search", PALETTE[0]))
    if _placed(contents.random, over):
        figure.add_trace(_growth(contents.random, front, by, "random search", PALETTE[1]))
    return figure


def _placed(trials: Sequence[Trial], cost: str) -> list[Trial]:
    return [t for t in trials if t.evaluated and t.costs.get(cost, 0) > 0 and t.accuracy]


def _spanned(trials: Sequence[Trial], cost: str) -> Front | None:
    """Returns a front over the costs of what was trained; None where these are all the same."""
    costs = [trial.costs[cost] for trial in trials]
    if len(set(costs)) < 2:
        return None
    return Front(Span(min(costs), max(costs)), base_reward(None, None, cost))


def _growth(
    everything: Sequence[Trial], front: Front, by: str, name: str, color: str
) -> go.Scatter:
    """Returns the stairs of hypervolumes after each trial."""
    trials = _placed(everything, front.cost)
    areas = front.hypervolumes(trials, lambda t: (t.accuracy or 0.0, t.costs[front.cost]))
    minutes = _minutes(everything, trials)
    drawn = rises(areas)
    texts = [
        f"{name}: trial {trials[i].number}, after {minutes[i]:.1f} minutes: {areas[i]:.2%}"
        for i in drawn
    ]
    return go.Scatter(
        x=[minutes[i] if by == "time" else i + 1 for i in drawn],
        y=[areas[i] for i in drawn],
        mode="lines",
        line={"color": color, "shape": "hv"},
        name=name,
        hovertext=texts,
        hovertemplate="%{hovertext}<extra></extra>",
    )


def _minutes(everything: Sequence[Trial], trials: Sequence[Trial]) -> list[float]:
    """Returns when each of some trials had ended: after the trainings of all, also those left."""
    spent = [0.0 if trial.duplicate else trial.seconds or 0.0 for trial in everything]
    at = dict(zip((t.number for t in everything), itertools.accumulate(spent), strict=True))
    return [at[trial.number] / 60 for trial in trials]
