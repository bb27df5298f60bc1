"""The report of a run: its final table, a sentence or two, and one HTML file."""

from __future__ import annotations

from typing import Any

from experiments.amounts import format_seconds
from experiments.random_baseline import random_comparison, random_text
from experiments.report.contents import read_contents
from experiments.report.headline import headline
from experiments.report.page import write_report
from experiments.report.trained import trained_results
from experiments.seed_results import seeds_text
from experiments.store import RunFolder
from search_spaces.errors import InputError

__all__ = ["report_document", "write_report"]


def report_document(folder: RunFolder) -> dict[str, Any]:
    """Writes report.html and returns the final table, its summary and the run's files.

    Raises `InputError` for a folder that is no run, or in which nothing has finished.
    """
    config = folder.read()
    contents = read_contents(folder)
    if contents.base is None and not contents.trained:
        done = f"nas train --resume {folder.path}" if config.training else "nas search"
        raise InputError(f"{folder.path}: nothing to report yet; run `{done}` first")
    results = [*contents.results, *trained_results(contents)]
    known = {
        "base": folder.best_path,
        "trials": folder.trials_path,
        "random": folder.random_path,
        "seeds": folder.seeds_path,
        "constants": folder.constants_path,
        "family": folder.family_path,
        "epochs": folder.metrics_path,
        "proxy": folder.proxy_path,
        "export": folder.export_path,
        "report": write_report(folder, contents),
    }
    paths = {name: str(path) for name, path in known.items() if path.exists()}
    wall = sum(step["wall"] for step in folder.ledger().values())
    spent = f"time spent in this folder: {format_seconds(wall)}"
    compared = random_comparison(folder)
    seeds = [seeds_text(contents.seeds)] if contents.seeds else []
    summary = [headline(contents), *seeds, *([random_text(compared)] if compared else []), spent]
    more = {"compared": compared} if compared else {}
    return {"results": results, "summary": summary, **more, "paths": paths}
