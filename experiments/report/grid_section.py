"""The section of a grid: its candidates, what the surface expects of them, how sure that is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.amounts import format_count
from experiments.report import figures
from experiments.report.contents import Contents
from experiments.report.plots import Plots, side_by_side
from experiments.report.surface_figure import surface_figure
from experiments.report.tables import accuracy_text, paragraph, plural, section, table

__all__ = ["grid_section"]

SURFACE = (
    "Colour: score expected of a full training, by a Gaussian process over log α, log β, log γ. "
    "Size: how many trainings. Box: the 95% intervals of the best β and γ; α follows, since "
    "α·β²·γ² is about the same for all."
)


def grid_section(contents: Contents, plots: Plots) -> str:
    """Draws and lists the α, β, γ candidates, best first, and says what their order is worth."""
    trained = [row for row in contents.grid if row["seeds"] and row["accuracy"] is not None]
    if not trained:
        return ""
    aim = float(contents.constants.get("grid", {}).get("product", 2.0))
    caption = (
        f"Score: accuracy·(counted MACs ratio/{aim:g})^-0.07. Rounding of channels, repeats and "
        f"side makes counted MACs differ from α·β²·γ².{_raced(contents)}"
    )
    longest = [row for row in trained if row.get("epochs") == trained[0].get("epochs")]
    drawn = [plots.html(figures.grid_figure(longest, aim), "Score by cost", caption)]
    if any(row.get("expected") is not None for row in contents.grid):
        figure = surface_figure(contents.grid, contents.constants.get("interval"))
        drawn.append(plots.html(figure, "Score by constants", SURFACE))
    return section(
        "scaling", "Scaling: α, β, γ",
        paragraph(_verdict(contents, trained), kind="note"), side_by_side(*drawn),
        _grid_table(contents.grid),
    )  # fmt: skip


def _raced(contents: Contents) -> str:
    race = contents.constants.get("race")
    if race is None:
        return ""
    return (
        f" A race: {plural(race['trainings'], 'training')}, {race['share']:.0%} of the MACs that "
        "the whole grid would take. Drawn are those trained longest."
    )


def _decided(contents: Contents, lead: str) -> str:
    """Says why the constants were chosen, and in which intervals the best ones lie."""
    text = f"{lead}: {contents.constants['why']}."
    interval = contents.constants.get("interval")
    if interval is None:
        return text
    names = {"alpha": "α", "beta": "β", "gamma": "γ"}
    inside = (f"{names[k]} {low:g} to {high:g}" for k, (low, high) in interval.items())
    return f"{text} 95% intervals of the best constants: {', '.join(inside)}."


def _verdict(contents: Contents, rows: list[dict[str, Any]]) -> str:
    best, seeds = rows[0], min(row["seeds"] for row in rows)
    name = f"α {best['alpha']:g}, β {best['beta']:g}, γ {best['gamma']:g}"
    lead = f"{name} came out best of {plural(len(contents.grid), 'candidate')}"
    if "why" in contents.constants:
        lead = _decided(contents, f"{name} was chosen of {plural(len(contents.grid), 'candidate')}")
    if seeds < 2 and not contents.constants.get("race"):
        lead = lead.removesuffix(".")
        return (
            f"{lead}. Each was trained with one seed only, so the deviation between seeds is not "
            "known here: differences of less than the seed-to-seed deviation mean nothing."
        )
    if "why" in contents.constants:
        return lead
    if len(rows) < 2:
        return f"{lead}, over {plural(seeds, 'seed')}."
    gap = best["score"] - rows[1]["score"]
    spread = max(best["deviation"] or 0, rows[1]["deviation"] or 0)
    size = "less" if gap < spread else "more"
    return (
        f"{lead}, over {plural(seeds, 'seed')} each: {gap:.4f} of score ahead of the second, "
        f"{size} than the larger of the two's deviations ({spread:.4f}). Differences of less than "
        "the seed-to-seed deviation mean nothing."
    )


def _grid_row(row: Mapping[str, Any], number: int) -> tuple[object, ...]:
    whole = row["seeds"] and row["accuracy"] is not None
    expected = row.get("expected")
    failed = "failed" if expected is None else "–"
    return (
        f"{number}{' (chosen)' if number == 1 else ' (tied)' if row.get('tied') else ''}",
        *(f"{row[name]:g}" for name in ("alpha", "beta", "gamma")),
        f"{row['product']:.3f}",
        f"×{row['macs_ratio']:.2f}",
        format_count(row["params"]),
        row["resolution"],
        accuracy_text(row["accuracy"], row["deviation"]) if whole else failed,
        f"{row['epochs']} × {row['seeds']}" if row.get("epochs") else row["seeds"],
        f"{row['score']:.4f}" if whole else "–",
        "–" if expected is None else f"{expected:.4f} ± {1.96 * row['error']:.4f}",
        "–" if row.get("chance") is None else f"{row['chance']:.0%}",
    )


def _grid_table(rows: list[dict[str, Any]]) -> str:
    columns = {
        "rank": "left", "α": "right", "β": "right", "γ": "right", "α·β²·γ²": "right",
        "counted MACs": "right", "params": "right", "side": "right", "accuracy": "right",
        "epochs × seeds": "right", "score": "right", "expected (95%)": "right",
        "chance to be best": "right",
    }  # fmt: skip
    ranked = [_grid_row(row, number) for number, row in enumerate(rows, 1)]
    return table("Candidates (validation)", columns, ranked, marked=(0,))
