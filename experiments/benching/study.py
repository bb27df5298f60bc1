"""`nas bench study`: a study of very many trials, in a file or in a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from experiments import options as o
from experiments.benching.showing import show_rows
from experiments.opening import reporting

__all__ = ["COMMANDS"]

Trials = Annotated[int, typer.Option("--trials", min=100, help="finished trials, made up")]


def study(trials: Trials = 20_000, storage: o.Storage = None, json: o.Json = False) -> None:
    """Makes a study of so many trials; times opening, asking and reporting, with their memory."""
    from experiments.addresses import parse_address
    from experiments.bench.study import StudyBench, bench_study

    bench = StudyBench(trials, None if storage is None else parse_address(storage))
    with reporting(json) as reporter:
        rows = bench_study(bench, reporter)
    show_rows("study", rows, json)


COMMANDS: Mapping[str, Callable[..., None]] = {"study": study}
