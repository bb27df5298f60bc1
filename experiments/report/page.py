"""The HTML page: every section that the run has something for, in one file."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from experiments.files import write_atomic
from experiments.report.contents import Contents, read_contents
from experiments.report.curve_section import curves_section
from experiments.report.grid_section import grid_section
from experiments.report.headline import headline
from experiments.report.plots import Plots
from experiments.report.sections import (
    accuracy_section,
    base_section,
    family_section,
    progress_section,
    results_section,
)
from experiments.report.seeds_section import seeds_section
from experiments.report.tables import escape, paragraph
from experiments.report.trained import recipe_section, trained_section
from experiments.report.trust_section import trust_section
from experiments.report.upkeep import ledger_section, reproduce_section
from experiments.store import RunFolder

__all__ = ["page", "write_report"]

SECTIONS: tuple[Callable[[Contents, Plots], str], ...] = (
    results_section,
    trained_section,
    accuracy_section,
    progress_section,
    seeds_section,
    trust_section,
    grid_section,
    base_section,
    family_section,
    curves_section,
    recipe_section,
    ledger_section,
    reproduce_section,
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="compound-nas {version}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}</main>
</body>
</html>
"""


def page(contents: Contents) -> str:
    """Writes the whole page; it needs no other file and no network."""
    plots = Plots()
    sections = [write(contents, plots) for write in SECTIONS]
    name = contents.network.name if contents.network else contents.config.data.source
    kind = "run" if contents.base or not contents.trained else "training"
    return PAGE.format(
        version=escape(contents.versions.get("compound-nas", "")),
        title=escape(f"{name}: report of a {kind}"),
        style=files("experiments.report").joinpath("style.css").read_text(encoding="utf-8"),
        body=paragraph(headline(contents), kind="lead") + "".join(sections),
    )


def write_report(folder: RunFolder, contents: Contents | None = None) -> Path:
    """Writes report.html, whole or not at all, from what the run has so far; returns its path.

    `contents` are read from the folder unless the caller has them. Raises `InputError` for a
    folder that is no run.
    """
    path = folder.path / "report.html"
    write_atomic(path, page(contents or read_contents(folder)))
    return path
