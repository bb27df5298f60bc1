"""The table of a run's trainings, an epoch a row."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from experiments.checkpoint import TrainingInfo
from experiments.store import RunFolder
from experiments.training.state import EpochRecord

__all__ = ["COLUMNS", "add_metrics"]

COLUMNS = tuple(field.name for field in fields(EpochRecord))


def add_metrics(folder: RunFolder, network: str, info: TrainingInfo) -> None:
    """Puts a finished training's epochs into metrics.parquet, in the place of its former ones."""
    rows = [row for row in _known(folder) if row["network"] != network]
    for values in info.metrics["history"]:
        row = dict(zip(COLUMNS, values, strict=False))
        rows.append({"network": network, "seed": info.seed, **row})
    folder.write_table(folder.metrics_path, rows)


def _known(folder: RunFolder) -> list[dict[str, Any]]:
    if not folder.metrics_path.is_file():
        return []
    import pandas as pd  # noqa: PLC0415 (heavy, and only tables need it)

    frame = pd.read_parquet(folder.metrics_path)
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]
