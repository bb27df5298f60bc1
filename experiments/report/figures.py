"""The figures of a report, as plotly figures; their colours of text come from the page."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from experiments.aim_texts import cost_label
from experiments.aims import amount_text
from experiments.amounts import format_count
from experiments.report.contents import Contents, Trial, blocks_of
from experiments.report.tables import accuracy_text, escape
from experiments.report.thinning import best_so_far, label, thinned
from nas.costs import MEASURED

__all__ = [
    "PALETTE",
    "TRIED",
    "blank_figure",
    "cost_axis",
    "grid_figure",
    "progress_figure",
    "test_figure",
    "trials_figure",
]

# Told apart on white and on near-black, and by most who are colour-blind.
PALETTE = ("#2f7de1", "#e8590c", "#0d9f6e", "#a855f7", "#d6336c", "#a07800", "#0b93a8", "#7a8594")
CHOSEN, TRIED, FRONT, TARGET = PALETTE[1], PALETTE[7], PALETTE[0], PALETTE[4]
STAR: dict[str, Any] = {"color": CHOSEN, "symbol": "star", "size": 15}
STAIRS: dict[str, Any] = {"mode": "lines+markers", "line_shape": "hv"}
GRID_LINE = "rgba(128,136,150,0.25)"
CLEAR = "rgba(0,0,0,0)"
_QUARTERS = tuple(1 + i / 4 for i in range(36))
_TENTHS = tuple(1 + i / 10 for i in range(90))
_STEPS = ((1, 2, 5), (1, 1.5, 2, 3, 5, 7), _QUARTERS, _TENTHS)


def blank_figure(x_title: str, y_title: str, *, shares: bool = False) -> go.Figure:
    """Returns an empty figure; with `shares` its y axis is read in percent."""
    axis = {"gridcolor": GRID_LINE, "linecolor": GRID_LINE, "zeroline": False, "automargin": True}
    return go.Figure(
        layout={
            "template": "none",
            "paper_bgcolor": CLEAR,
            "plot_bgcolor": CLEAR,
            "font": {"family": "system-ui, sans-serif", "size": 13, "color": TRIED},
            "margin": {"l": 60, "r": 12, "t": 34, "b": 48},
            "legend": {"orientation": "h", "y": 0, "yref": "container", "tracegroupgap": 0},
            "hoverlabel": {"align": "left"},
            "dragmode": False,  # so that a finger on a figure still scrolls the page
            "xaxis": {"title": {"text": x_title, "font": {"size": 13}}, **axis},
            "yaxis": {
                "title": {"text": y_title, "font": {"size": 13}, "standoff": 14},
                **axis,
                **({"tickformat": ".2~%"} if shares else {}),
            },
        }
    )


def _ticks(values: Sequence[float]) -> list[float]:
    """Returns round values for a logarithmic axis, at least three if there is room for them."""
    low, high = min(values), max(values)
    tens = [10.0**n for n in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    found: list[float] = []
    for steps in _STEPS:
        found = [ten * step for ten in tens for step in steps if low <= ten * step <= high]
        if len(found) >= 3:
            break
    return found


def cost_axis(figure: go.Figure, values: Iterable[float], cost: str = "macs") -> None:
    """Gives a figure a logarithmic x axis for amounts of a cost."""
    known = [value for value in values if value > 0]
    low, high = min(known) / 1.15, max(known) * 1.15
    ticks = _ticks((low, high))
    figure.update_xaxes(
        type="log",
        range=[math.log10(low), math.log10(high)],
        tickvals=ticks,
        ticktext=[amount_text(cost, tick) for tick in ticks],
    )


def _vertical(figure: go.Figure, x: float, name: str) -> None:
    line = {"color": TARGET, "width": 1.5, "dash": "dash"}
    figure.add_shape(
        type="line", x0=x, x1=x, y0=0, y1=1, yref="paper", line=line, name=name, showlegend=True
    )


def _error(deviations: Sequence[float | None]) -> dict[str, Any]:
    return {"type": "data", "array": list(deviations), "thickness": 1.2, "width": 4}


def _marks(
    x: Sequence[float],
    y: Sequence[float],
    texts: Sequence[str],
    *,
    name: str,
    color: str,
    symbol: str = "circle",
    size: int = 9,
    **options: Any,
) -> go.Scatter:
    """Returns points whose hover shows `texts`; these are HTML, `name` is not."""
    return go.Scatter(
        **{"mode": "markers", **options},
        x=list(x),
        y=list(y),
        hovertext=list(texts),
        hovertemplate="%{hovertext}<extra></extra>",
        name=escape(name),
        marker={"color": color, "symbol": symbol, "size": size},
        line={"color": color},
    )


def _hover(title: str, facts: Iterable[str], blocks: Iterable[str] = ()) -> str:
    parts = [f"<b>{escape(title)}</b>", *map(escape, facts)]
    return "<br>".join([*parts, *(f"<i>{escape(block)}</i>" for block in blocks)])


def _trial_hover(trial: Trial) -> str:
    macs = format_count(trial.costs.get("macs", 0))
    timed = [
        f"{cost_label(n)} {amount_text(n, trial.costs[n])}" for n in MEASURED if n in trial.costs
    ]
    facts = [
        f"{macs} MACs, accuracy {trial.accuracy or 0:.2%}",
        f"reward {trial.reward or 0:.4f}",
        *timed,
    ]
    return _hover(f"trial {trial.number}", facts, trial.blocks)


def _points(trials: Sequence[Trial], cost: str) -> tuple[list[float], list[float], list[str]]:
    return (
        [float(trial.costs[cost]) for trial in trials],
        [trial.accuracy or 0.0 for trial in trials],
        [_trial_hover(trial) for trial in trials],
    )


def trials_figure(contents: Contents) -> go.Figure:
    """Draws validation accuracy against a cost: trials, their Pareto front, target, base."""
    over, search = contents.front_cost, contents.config.search
    figure = blank_figure(f"{cost_label(over)} (log scale)", "validation accuracy", shares=True)
    trials = [trial for trial in contents.trials if trial.evaluated and over in trial.costs]
    points = _points(drawn := thinned(trials), over)
    name = label("trial", drawn, trials)
    figure.add_trace(_marks(*points, name=name, color=TRIED, size=7, opacity=0.75))
    left = _left_marks(contents, over)
    figure.add_traces(left)
    numbers = {entry["trial"] for entry in contents.front}
    front = sorted((t for t in trials if t.number in numbers), key=lambda t: t.costs[over])
    if front:
        marks = _marks(*_points(front, over), name="Pareto front", color=FRONT, **STAIRS)
        figure.add_trace(marks)
    amounts = {
        "target": search.target if search and search.cost == over else None,
        "limit": search.limits.get(over) if search else None,
    }
    lines = {name: amount for name, amount in amounts.items() if amount is not None}
    for name, amount in lines.items():
        _vertical(figure, amount, f"{name} {amount_text(over, amount)}")
    chosen = [t for t in trials if t.number == contents.choice.get("trial")]
    if chosen:
        figure.add_trace(_marks(*_points(chosen, over), name="chosen", **STAR))
    cost_axis(figure, [*points[0], *lines.values(), *(x for each in left for x in each.x)], over)
    return figure


def _left_marks(contents: Contents, over: str) -> list[go.Scatter]:
    """Returns the networks whose trainings were left, with their accuracies at the last rung."""
    every = [trial for trial in contents.trials if trial.left and over in trial.costs]
    left = thinned(every)
    texts = [
        _hover(
            f"trial {trial.number}, left at rung {trial.rung}",
            [f"accuracy there {trial.rung_accuracy or 0:.2%}"],
            trial.blocks,
        )
        for trial in left
    ]
    x, y = [trial.costs[over] for trial in left], [trial.rung_accuracy or 0.0 for trial in left]
    style: dict[str, Any] = {"color": TRIED, "symbol": "circle-open", "size": 6}
    return [_marks(x, y, texts, name=label("left at a rung", left, every), **style)] if left else []


def _result_hover(contents: Contents, row: Mapping[str, Any]) -> str:
    spec = contents.spec_of(row["name"])
    accuracy = accuracy_text(row["test_accuracy"], row["deviation"])
    facts = [
        f"{row['role']}, side {row['resolution']}, {format_count(row['macs'])} MACs",
        f"test accuracy {accuracy}, n = {row['seeds']}",
    ]
    return _hover(row["name"], facts, blocks_of(spec) if spec else ())


def _result_marks(
    contents: Contents, rows: Sequence[Mapping[str, Any]], name: str, **style: Any
) -> go.Scatter:
    return _marks(
        [row["macs"] for row in rows],
        [row["test_accuracy"] for row in rows],
        [_result_hover(contents, row) for row in rows],
        name=name,
        error_y=_error([row["deviation"] for row in rows]),
        **style,
    )


def test_figure(contents: Contents) -> go.Figure:
    """Draws test accuracy against MACs: base, family and baselines, with deviations."""
    figure = blank_figure("MACs (log scale)", "test accuracy", shares=True)
    family = [row for row in contents.results if str(row["role"]).startswith("φ")]
    base = contents.result("base")
    if family:
        rows = sorted([*base, *family], key=lambda row: row["macs"])
        style = {"mode": "lines+markers", "color": FRONT}
        figure.add_trace(_result_marks(contents, rows, "family", **style))
    for row in base:
        figure.add_trace(_result_marks(contents, [row], row["name"], **STAR))
    others = [row for row in contents.results if row not in family and row not in base]
    looks = zip(PALETTE[2:], ("square", "diamond", "triangle-up", "cross"), strict=False)
    for row, (color, symbol) in zip(others, itertools.cycle(looks), strict=False):
        figure.add_trace(_result_marks(contents, [row], row["name"], color=color, symbol=symbol))
    cost_axis(figure, [row["macs"] for row in contents.results])
    return figure


def progress_figure(contents: Contents) -> go.Figure:
    """Draws every trial's reward and the best so far."""
    figure = blank_figure("trial", "reward")
    trials = [trial for trial in contents.trials if trial.evaluated and trial.reward is not None]
    shown = thinned(trials)
    rewards = [trial.reward or 0.0 for trial in shown]
    texts, name = [_trial_hover(trial) for trial in shown], label("reward", shown, trials)
    numbers = [trial.number for trial in shown]
    figure.add_trace(_marks(numbers, rewards, texts, name=name, color=TRIED, size=7))
    _best_so_far(figure, trials, "best so far", FRONT)
    random = [trial for trial in contents.random if trial.evaluated and trial.reward is not None]
    if random:
        _best_so_far(figure, random, "random search: best so far", CHOSEN)
    return figure


def _best_so_far(figure: go.Figure, trials: Sequence[Trial], name: str, color: str) -> None:
    numbers, best = best_so_far(trials)
    texts = [f"{name} {value:.4f}" for value in best]
    stairs = {**STAIRS, "mode": "lines"}
    figure.add_trace(_marks(numbers, best, texts, name=name, color=color, **stairs))


def _candidate_hover(row: Mapping[str, Any]) -> str:
    name = f"α {row['alpha']:g}, β {row['beta']:g}, γ {row['gamma']:g}"
    facts = [
        f"MACs ×{row['macs_ratio']:.2f}, side {row['resolution']}",
        f"accuracy {accuracy_text(row['accuracy'], row['deviation'])}, score {row['score']:.4f}",
    ]
    return _hover(name, facts)


def _candidate_marks(rows: Sequence[Mapping[str, Any]], **style: Any) -> go.Scatter:
    # The score is accuracy times a constant of the candidate, and its deviation likewise.
    spread = [
        row["deviation"] and row["deviation"] * row["score"] / row["accuracy"] for row in rows
    ]
    return _marks(
        [row["macs_ratio"] for row in rows],
        [row["score"] for row in rows],
        [_candidate_hover(row) for row in rows],
        error_y=_error(spread),
        **style,
    )


def grid_figure(rows: Sequence[Mapping[str, Any]], target: float) -> go.Figure:
    """Draws the candidates' scores against their counted MACs over the base's; best one first."""
    figure = blank_figure("counted MACs, times the base's", "score")
    _vertical(figure, target, f"aim ×{target:g}")
    best, *others = rows
    figure.add_trace(_candidate_marks(others, name="candidate", color=TRIED))
    name = f"chosen: α {best['alpha']:g}, β {best['beta']:g}, γ {best['gamma']:g}"
    figure.add_trace(_candidate_marks([best], name=name, **STAR))
    return figure
