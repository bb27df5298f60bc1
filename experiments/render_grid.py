"""A trained grid, as a person reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.amounts import format_count
from experiments.render import percent, print_lines, print_paths, print_table

__all__ = ["print_grid"]

Document = Mapping[str, Any]


def print_grid(document: Document) -> None:
    """Prints a trained grid, the chosen constants first, and how sure they are."""
    columns = {
        "α": "right", "β": "right", "γ": "right", "α·β²·γ²": "right", "MACs": "right",
        "MACs ratio": "right", "epochs × seeds": "right", "accuracy": "right", "score": "right",
        "expected": "right", "best": "right", "": "left",
    }  # fmt: skip
    rows = [_cells(c) for c in document["candidates"]]
    print_table("Scaling candidates (score: accuracy·(MACs ratio/2)^-0.07)", columns, rows)
    best = document["constants"]
    print_lines(_verdict(best))
    print_paths(document["paths"])


def _cells(c: Document) -> tuple[str, ...]:
    trained = c["seeds"] > 0
    return (
        *(f"{c[name]:g}" for name in ("alpha", "beta", "gamma")), f"{c['product']:.3f}",
        format_count(c["macs"]), f"{c['macs_ratio']:.2f}",
        f"{c['epochs']} × {c['seeds']}" if trained else "–",
        percent(c["accuracy"]) if trained else "–",
        f"{c['score']:.4f}" if trained else "–",
        "–" if c["expected"] is None else f"{c['expected']:.4f} ± {1.96 * c['error']:.4f}",
        "–" if c["chance"] is None else f"{c['chance']:.0%}",
        "tied" if c["tied"] else "",
    )  # fmt: skip


def _verdict(best: Document) -> list[str]:
    """Says which constants, in which intervals, why, and what the race spent."""
    lines = [f"best: α {best['alpha']:g}, β {best['beta']:g}, γ {best['gamma']:g}: {best['why']}"]
    if best["interval"] is not None:
        names = {"alpha": "α", "beta": "β", "gamma": "γ"}
        inside = (f"{names[k]} {low:g} to {high:g}" for k, (low, high) in best["interval"].items())
        lines.append(f"95% intervals of the best: {', '.join(inside)}")
    if best["race"] is not None:
        race = best["race"]
        lines.append(
            f"spent: {race['trainings']} trainings, {race['share']:.0%} of the whole grid's MACs"
        )
    return lines
