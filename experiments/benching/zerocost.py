"""`nas bench zerocost`: what scores of untrained networks are worth on measured ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from experiments import options as o
from experiments.benching.showing import show_rows
from experiments.opening import reporting

__all__ = ["COMMANDS"]

Table = Annotated[str, typer.Option("--table", help="accel_nasbench or nas_bench_macro")]
Measured = Annotated[
    Path, typer.Option("--measured", metavar="PATH", help="the table's Parquet file, or its folder")
]
Networks = Annotated[int, typer.Option("--networks", min=3, help="random ones of the table")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="of weights and images, for the mean τ")]
Side = Annotated[
    int | None,
    typer.Option("--resolution", min=8, help="of the images [32; accel_nasbench 64, not its 224]"),
]
Batch = Annotated[int, typer.Option("--batch", min=4, help="images that a network is scored with")]
Scores = Annotated[str | None, typer.Option("--scores", help="names with commas between [all]")]
Keep = Annotated[
    Path | None, typer.Option("--keep", metavar="FILE", help="what is done; run again, it goes on")
]


def zerocost(
    table: Table,
    measured: Measured,
    data: o.Data,
    networks: Networks = 200,
    seeds: Seeds = 1,
    batch: Batch = 32,
    resolution: Side = None,
    scores: Scores = None,
    keep: Keep = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    json: o.Json = False,
) -> None:
    """Scores untrained networks of a measured table; gives each score's τ with their accuracies."""
    from experiments.bench.zerocost import ZeroCostOptions, bench_zerocost
    from nas.zero_cost import SCORES

    names = tuple(SCORES if scores is None else scores.split(","))
    options = ZeroCostOptions(
        table, measured, data, networks, seeds, batch, resolution, names, keep, device, seed
    )
    with reporting(json) as reporter:
        rows = bench_zerocost(options, reporter)
    show_rows("zerocost", rows, json)


COMMANDS: Mapping[str, Callable[..., None]] = {"zerocost": zerocost}
