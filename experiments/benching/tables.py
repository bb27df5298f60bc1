"""`nas bench blocks` and `nas bench latency`: the table of a device's block latencies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from experiments import options as o
from experiments.benching.showing import show_rows
from experiments.opening import reporting

__all__ = ["COMMANDS"]

_FILE = "the table's file"
Table = Annotated[Path, typer.Option("--table", metavar="FILE", help=_FILE)]
Side = Annotated[int, typer.Option("--resolution", min=1, help="side of the input in pixels")]
Classes = Annotated[int, typer.Option("--classes", min=1, help="the classifier's outputs")]
Batch = Annotated[
    int | None,
    typer.Option("--batch", min=1, help="images at once [1; training 16, cuda 128]"),
]
Training = Annotated[bool, typer.Option("--training", help="time training steps, not inference")]
Visits = Annotated[int, typer.Option("--visits", min=1, help="runs of each block at least")]
StopAfter = Annotated[str | None, typer.Option("--time", help="stop after 10m, …; run it again")]
Same = Annotated[str | None, typer.Option("--space", help="refuse a table of another space")]


def blocks(
    table: Table,
    space: o.Space = "mixed",
    resolution: Side = 224,
    classes: Classes = 1000,
    device: o.Device = "auto",
    batch: Batch = None,
    training: Training = False,
    visits: Visits = 5,
    time: StopAfter = None,
    json: o.Json = False,
) -> None:
    """Times every block of a space on a device into a table; goes on where it stopped."""
    from experiments.bench.latency import bench_blocks, made_for
    from experiments.device import pick_device

    chosen = pick_device(device)
    made = made_for(
        chosen, space=space, resolution=resolution, classes=classes, batch=batch, training=training
    )
    with reporting(json) as reporter:
        rows = bench_blocks(table, made, chosen, visits=visits, time=time, reporter=reporter)
    show_rows("blocks", rows, json)


def latency(
    table: Table, space: Same = None, device: o.MaybeDevice = None, json: o.Json = False
) -> None:
    """Compares a table's predictions with 50 measured networks that it was not fitted to."""
    from experiments.bench.latency import bench_latency

    with reporting(json) as reporter:
        rows = bench_latency(table, space=space, device=device, reporter=reporter)
    show_rows("latency", rows, json)


COMMANDS: Mapping[str, Callable[..., None]] = {"blocks": blocks, "latency": latency}
