"""The figure of a grid's response surface: what is expected of every candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from experiments.report.figures import PALETTE, blank_figure
from experiments.report.tables import escape

__all__ = ["surface_figure"]

SMALLEST, LARGEST = 8, 22  # pixels


def surface_figure(
    rows: Sequence[Mapping[str, Any]], interval: Mapping[str, Sequence[float]] | None
) -> go.Figure:
    """Draws the candidates over β and γ by their expected scores; the chosen one, rows[0], too."""
    figure = blank_figure("β (width)", "γ (side)")
    known = [row for row in rows if row.get("expected") is not None]
    most = max(int(row["trainings"]) for row in known) or 1
    figure.add_trace(
        go.Scatter(
            mode="markers",
            x=[row["beta"] for row in known],
            y=[row["gamma"] for row in known],
            name="candidate",
            hovertext=[_hover(row) for row in known],
            hovertemplate="%{hovertext}<extra></extra>",
            marker={
                "color": [row["expected"] for row in known],
                "colorscale": "Viridis",
                "colorbar": {"title": {"text": "score"}, "thickness": 12},
                "size": [
                    SMALLEST + (LARGEST - SMALLEST) * int(row["trainings"]) / most for row in known
                ],
            },
        )
    )
    _mark(figure, rows[0])
    if interval is not None:
        _box(figure, interval)
    for axis in (figure.update_xaxes, figure.update_yaxes):
        axis(type="log", dtick=0.05, tickformat=".2f")
    return figure


def _mark(figure: go.Figure, best: Mapping[str, Any]) -> None:
    name = f"chosen: α {best['alpha']:g}, β {best['beta']:g}, γ {best['gamma']:g}"
    ring = {"color": PALETTE[1], "symbol": "star-open", "size": 28, "line": {"width": 2}}
    figure.add_trace(
        go.Scatter(
            mode="markers", x=[best["beta"]], y=[best["gamma"]], name=name, marker=ring,
            hoverinfo="skip",
        )
    )  # fmt: skip


def _box(figure: go.Figure, interval: Mapping[str, Sequence[float]]) -> None:
    """Draws the intervals of β and γ, a little larger, so that a point on its edge is inside."""
    (left, right), (low, high) = interval["beta"], interval["gamma"]
    figure.add_trace(
        go.Scatter(
            mode="lines", name="95% intervals", hoverinfo="skip",
            line={"color": PALETTE[1], "dash": "dot", "width": 1.5},
            x=[left / 1.01, right * 1.01, right * 1.01, left / 1.01, left / 1.01],
            y=[low / 1.01, low / 1.01, high * 1.01, high * 1.01, low / 1.01],
        )
    )  # fmt: skip


def _hover(row: Mapping[str, Any]) -> str:
    name = f"α {row['alpha']:g}, β {row['beta']:g}, γ {row['gamma']:g}"
    facts = (
        f"expected score {row['expected']:.4f} ± {1.96 * row['error']:.4f}",
        f"best with a chance of {row['chance']:.0%}",
        f"{row['trainings']} trainings, the longest of {row['epochs']} epochs",
        f"MACs ×{row['macs_ratio']:.2f}, side {row['resolution']}",
    )
    return "<br>".join([f"<b>{escape(name)}</b>", *map(escape, facts)])
