"""`nas bench predictor`: how well ImageNet accuracies are predicted, and the fit itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from experiments import options as o
from experiments.benching.showing import show_rows
from experiments.opening import reporting

__all__ = ["COMMANDS"]

Measured = Annotated[
    Path | None,
    typer.Option("--table", metavar="FILE", help="measured networks, Parquet [those that ship]"),
]
Splits = Annotated[int, typer.Option("--splits", min=1, help="random tenths to hold out")]
Fit = Annotated[
    Path | None, typer.Option("--fit", metavar="FILE", help="fit to the whole table, and write it")
]


def predictor(
    table: Measured = None, splits: Splits = 10, fit: Fit = None, json: o.Json = False
) -> None:
    """Predicts measured networks that it was not fitted to; or fits to all, with --fit."""
    from experiments.bench.predictor import bench_fit, bench_predictor

    with reporting(json) as reporter:
        rows = bench_fit(table, fit) if fit else bench_predictor(table, splits, reporter)
    show_rows("predictor", rows, json)


COMMANDS: Mapping[str, Callable[..., None]] = {"predictor": predictor}
