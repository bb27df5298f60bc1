"""The section that says whether the search's proxy can be trusted, from proxy.json."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from experiments.amounts import format_count, format_seconds
from experiments.report.contents import Contents
from experiments.report.figures import PALETTE, blank_figure
from experiments.report.plots import Plots
from experiments.report.tables import escape, paragraph, plural, section, table
from experiments.trust import whole

__all__ = ["trust_section"]

Row = Mapping[str, Any]


def trust_section(contents: Contents, plots: Plots) -> str:
    """Draws the full recipe's accuracy against the proxy's, and lists what agrees with it."""
    document = contents.proxy
    if not document:
        return ""
    networks = whole(document["networks"])
    figure = ""
    if networks:
        caption = (
            f"{plural(len(networks), 'random network')}. Up: mean test accuracy over "
            f"{plural(document['seeds'], 'seed')} of the full recipe, bars their deviation. Right: "
            "validation accuracy by the proxy. The closer to a rising line, the better."
        )
        figure = plots.html(_figure(networks), "Full recipe against proxy", caption)
    body = paragraph(document["verdict"], kind="note") + figure + _table(document)
    return section("trust", "Can the proxy be trusted?", body, paragraph(_how(document)))


def _figure(networks: Sequence[Row]) -> go.Figure:
    figure = blank_figure("validation accuracy by the proxy", "test accuracy", shares=True)
    figure.update_xaxes(tickformat=".2~%")
    full = [row["full"] for row in networks]
    spread = [statistics.stdev(values) if len(values) > 1 else None for values in full]
    figure.add_scatter(
        mode="markers",
        x=[row["proxy"] for row in networks],
        y=[statistics.fmean(values) for values in full],
        error_y={"type": "data", "array": spread, "thickness": 1.2, "width": 4},
        hovertext=[_hover(number, row) for number, row in enumerate(networks, 1)],
        hovertemplate="%{hovertext}<extra></extra>",
        marker={"color": PALETTE[0], "size": 9},
    )
    return figure


def _hover(number: int, row: Row) -> str:
    full = ", ".join(f"{share:.2%}" for share in row["full"])
    facts = [
        f"{format_count(row['macs'])} MACs, {format_count(row['params'])} params",
        f"proxy {row['proxy']:.2%}, full recipe {full}",
        *row["blocks"],
    ]
    return "<br>".join([f"<b>network {number}</b>", *map(escape, facts)])


def _cell(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _between(row: Row | None) -> str:
    if row is None or row["low"] is None:
        return "–"
    return f"{row['low']:.2f} to {row['high']:.2f}"


def _table(document: Row) -> str:
    columns = {
        "what orders the networks": "left", "τ": "right", "95%": "right",
        "proxy ahead by": "right", "95% of that": "right", "n": "right",
    }  # fmt: skip
    rows = []
    for row in document["agreement"]:
        ahead = row.get("ahead")
        by = "" if ahead is None else _cell(ahead["tau"])
        lead = "" if ahead is None else _between(ahead)
        rows.append((row["what"], _cell(row["tau"]), _between(row), by, lead, row["n"]))
    caption = "Kendall's τ with the order that one training by the full recipe gives"
    return table(caption, columns, rows, marked=(0,)) if rows else ""


def _how(document: Row) -> str:
    proxy, full, seconds = document["proxy"], document["full"], document["seconds"]
    times = ""
    if seconds:
        short, whole_time = format_seconds(seconds["proxy"]), format_seconds(seconds["full"])
        times = f" A training takes {short} by the proxy, {whole_time} by the full recipe."
    failed = f" {plural(document['failed'], 'network')} failed to train." * bool(document["failed"])
    return (
        f"The proxy: {plural(proxy['epochs'], 'epoch')} on {plural(proxy['images'], 'image')} at "
        f"{proxy['resolution']} pixels. The full recipe: up to "
        f"{plural(full['epochs'], 'epoch')} on {plural(full['images'], 'image')} at "
        f"{full['resolution']}.{times}{failed} Intervals are bootstrapped over networks; "
        "`nas bench proxy --run` made this."
    )
