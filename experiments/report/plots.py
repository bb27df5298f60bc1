"""Figures into a page: plotly.js goes in once, with the first of them."""

from __future__ import annotations

from typing import Any

from experiments.report.tables import escape

__all__ = ["Plots", "side_by_side"]

CONFIG = {
    "displaylogo": False,
    "responsive": True,
    # All there are: newer plotly.js adds one of its own that sends the figure to plotly's cloud.
    "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d"]],
}


class Plots:
    """Writes plotly figures as HTML and remembers whether the page has plotly.js already."""

    def __init__(self) -> None:
        self.count = 0

    def html(self, figure: Any, title: str, caption: str, *, height: int = 400) -> str:
        """Writes a figure, `height` pixels high, with its title, which is also read aloud."""
        self.count += 1
        drawn: str = figure.to_html(
            config=CONFIG,
            full_html=False,
            include_plotlyjs=self.count == 1,
            default_height=f"{height}px",
            div_id=f"figure-{self.count}",
        )
        return (
            f'<figure aria-label="{escape(title)}"><h3>{escape(title)}</h3>\n{drawn}\n'
            f"<figcaption>{escape(caption)}</figcaption></figure>\n"
        )


def side_by_side(*figures: str) -> str:
    """Sets figures beside each other where the page is wide enough; one alone stays wide."""
    if len(figures) < 2:
        return "".join(figures)
    return f'<div class="pair">\n{"".join(figures)}</div>\n'
