"""`nas bench recipes` and `nas bench progressive`: trainings of equal time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from experiments import options as o
from experiments.benching.showing import show_rows
from experiments.opening import reporting

__all__ = ["COMMANDS"]

Limit = Annotated[int | None, typer.Option("--limit", min=1, help="training images [all]")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="trainings of each")]
TimeOfEach = Annotated[str, typer.Option("--time", help="of each training, as 90s, 10m, …")]
Keep = Annotated[
    Path, typer.Option("--keep", metavar="FILE", help="what is done; run again, it goes on")
]


def recipes(
    data: o.Data,
    keep: Keep,
    limit: Limit = None,
    time: TimeOfEach = "10m",
    seeds: Seeds = 3,
    device: o.Device = "auto",
    json: o.Json = False,
) -> None:
    """Trains the recipes for an equal time, and says which comes how far."""
    _contest("recipes", data, limit, time, device, seeds, keep, json)


def progressive(
    data: o.Data,
    keep: Keep,
    limit: Limit = None,
    time: TimeOfEach = "10m",
    seeds: Seeds = 3,
    device: o.Device = "auto",
    json: o.Json = False,
) -> None:
    """Trains on growing images and on those of a fixed size, for as many epochs."""
    _contest("progressive", data, limit, time, device, seeds, keep, json)


def _contest(
    name: str,
    data: str,
    limit: int | None,
    time: str,
    device: str,
    seeds: int,
    keep: Path,
    json: bool,
) -> None:
    from experiments.bench.recipes import bench_contest, make_contest

    contest = make_contest(data, limit=limit, time=time, device=device)
    with reporting(json) as reporter:
        rows = bench_contest(name, contest, seeds=seeds, keep=keep, reporter=reporter)
    show_rows(name, rows, json)


COMMANDS: Mapping[str, Callable[..., None]] = {"recipes": recipes, "progressive": progressive}
