"""The report of a run: its final table, a sentence or two, and one HTML file."""

from __future__ import annotations

from typing import Any

from experiments.amounts import format_count, format_seconds
from experiments.report.page import write_report
from experiments.results import read_results
from experiments.store import RunFolder
from search_spaces.errors import InputError

__all__ = ["report_document", "write_report"]


def _summary(folder: RunFolder, results: list[dict[str, Any]]) -> list[str]:
    """Says in plain sentences what was found, with numbers."""
    base = next((r for r in results if r["role"] == "base"), None)
    others = [r for r in results if r["role"] == "baseline"]
    lines = []
    if base is not None:
        for other in others:
            gap = (base["test_accuracy"] - other["test_accuracy"]) * 100
            better = "above" if gap > 0 else "below"
            lines.append(
                f"{base['name']} is {abs(gap):.2f} points {better} {other['name']} "
                f"at {format_count(base['macs'])} against {format_count(other['macs'])} MACs"
            )
    wall = sum(step["wall"] for step in folder.ledger().values())
    lines.append(f"time spent in this folder: {format_seconds(wall)}")
    return lines


def report_document(folder: RunFolder) -> dict[str, Any]:
    """Writes report.html and returns the final table, its summary and the run's files.

    Raises `InputError` for a folder that is no run, or in which nothing has finished.
    """
    folder.read()
    if not folder.best_path.is_file():
        raise InputError(f"{folder.path}: nothing to report yet; run `nas search` there first")
    results = read_results(folder)
    known = {
        "base": folder.best_path,
        "trials": folder.trials_path,
        "constants": folder.constants_path,
        "family": folder.family_path,
        "export": folder.export_path,
        "report": write_report(folder),
    }
    paths = {name: str(path) for name, path in known.items() if path.exists()}
    return {"results": results, "summary": _summary(folder, results), "paths": paths}
