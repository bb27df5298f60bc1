"""The final table: what was trained, how well it does on the test part, what it costs."""

from __future__ import annotations

import json
import math
from typing import Any

from experiments.final_step import FinalRow
from experiments.store import RunFolder

__all__ = ["read_results", "write_results"]

FILE = "results.json"


def _document(folder: RunFolder, row: FinalRow) -> dict[str, Any]:
    return {
        "name": row.name,
        "role": row.role,
        "resolution": row.spec.resolution,
        "macs": row.macs,
        "params": row.params,
        "test_accuracy": row.mean,
        "deviation": None if math.isnan(row.deviation) else row.deviation,
        "seeds": len(row.test),
        "test_accuracies": list(row.test),
        "validation_accuracies": list(row.validation),
        "seconds": row.seconds,
        "checkpoint": str(row.checkpoint.relative_to(folder.path)),
    }


def write_results(folder: RunFolder, rows: list[FinalRow]) -> None:
    """Writes results.json, one entry a network."""
    folder.write_json(folder.path / FILE, [_document(folder, row) for row in rows])


def read_results(folder: RunFolder) -> list[dict[str, Any]]:
    """Reads results.json; empty where the run has not come that far."""
    path = folder.path / FILE
    rows: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return rows
