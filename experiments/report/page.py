"""The HTML page."""

from __future__ import annotations

from pathlib import Path

from experiments.store import RunFolder

__all__ = ["write_report"]


def write_report(folder: RunFolder) -> Path:
    """Writes report.html."""
    return folder.path / "report.html"
