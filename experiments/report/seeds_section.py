"""The section of several searches of the same budget: their median and spread, trial by trial."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from experiments.amounts import format_seconds
from experiments.report.contents import Contents, Trial
from experiments.report.figures import PALETTE, blank_figure
from experiments.report.plots import Plots
from experiments.report.tables import paragraph, section, table
from experiments.seed_results import seeds_text

__all__ = ["best_by_seed", "seeds_figure", "seeds_section"]


def seeds_section(contents: Contents, plots: Plots) -> str:
    """Draws the best reward so far of the median search, and lists what each search came to."""
    curves = best_by_seed(contents.trials)
    if len(curves) < 2:
        return ""
    caption = (
        f"Best reward so far of {len(curves)} searches of the same budget, each with another seed "
        "for its sampler and its trainings: the median, and a band from the least to the greatest."
    )
    figure = plots.html(seeds_figure(contents), "Reward by trial, over seeds", caption)
    said = paragraph(f"{seeds_text(contents.seeds)}.", kind="note") if contents.seeds else ""
    return section("seeds", "Search by search", said, figure, _table(contents))


def best_by_seed(trials: Sequence[Trial]) -> np.ndarray:
    """Returns each search's best reward so far after every network, (seeds, networks).

    It ends where the first of the searches does.
    """
    rewards: dict[int | None, list[float]] = defaultdict(list)
    for trial in trials:
        if trial.evaluated and trial.reward is not None:
            rewards[trial.search_seed].append(trial.reward)
    length = min(map(len, rewards.values()), default=0)
    best = [list(itertools.accumulate(found[:length], max)) for found in rewards.values()]
    return np.array(best).reshape(len(best), length)


def seeds_figure(contents: Contents) -> go.Figure:
    """Draws median and band of the searches, and of the random ones where there are some."""
    figure = blank_figure("networks trained", "best reward so far")
    _add(figure, best_by_seed(contents.trials), "search", PALETTE[0])
    _add(figure, best_by_seed(contents.random), "random search", PALETTE[1])
    return figure


def _add(figure: go.Figure, curves: np.ndarray, name: str, color: str) -> None:
    if not curves.size:
        return
    x = list(range(1, curves.shape[1] + 1))
    low, middle, high = curves.min(axis=0), np.median(curves, axis=0), curves.max(axis=0)
    edge = {"mode": "lines", "line": {"width": 0, "shape": "hv"}, "hoverinfo": "skip"}
    figure.add_scatter(x=x, y=low.tolist(), showlegend=False, name=f"{name}: least", **edge)
    figure.add_scatter(
        x=x, y=high.tolist(), fill="tonexty", fillcolor=f"rgba({_rgb(color)},0.18)",
        showlegend=False, name=f"{name}: greatest", **edge,
    )  # fmt: skip
    texts = [
        f"{name}, {count} networks: median {m:.4f}, {a:.4f} to {b:.4f}"
        for count, m, a, b in zip(x, middle, low, high, strict=True)
    ]
    figure.add_scatter(
        x=x, y=middle.tolist(), mode="lines", name=f"{name}: median",
        line={"color": color, "shape": "hv"},
        hovertext=texts, hovertemplate="%{hovertext}<extra></extra>",
    )  # fmt: skip


def _rgb(color: str) -> str:
    return ",".join(str(int(color[at : at + 2], 16)) for at in (1, 3, 5))


def _table(contents: Contents) -> str:
    rows = [
        (
            each["seed"],
            each["trial"],
            f"{each['reward']:.4f}",
            each["trials"],
            format_seconds(each["seconds"]),
        )
        for each in contents.seeds.get("seeds", ())
    ]
    columns = {
        "seed": "left", "best trial": "right", "reward": "right", "networks trained": "right",
        "training": "right",
    }  # fmt: skip
    return table("Best of each search", columns, rows) if rows else ""
