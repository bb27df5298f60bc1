"""`nas bench halving`: what successive halving saves, in real trainings or along made-up curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from experiments import options as o
from experiments.benching.showing import show_rows
from experiments.opening import reporting
from search_spaces.errors import InputError

__all__ = ["COMMANDS"]

MANY = 10_000  # trials: the time ends these searches

Measured = Annotated[
    Path | None,
    typer.Option("--measured", metavar="DIR", help="measured networks, curves made up; no --data"),
]
Over = Annotated[str, typer.Option("--halving", help="epochs, image-size or data")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="searches of each kind")]
Time = Annotated[str, typer.Option("--train-time", help="of each search's trainings, as 30m")]
Epochs = Annotated[int, typer.Option("--search-epochs", min=1, help="of a whole evaluation")]
Budget = Annotated[
    float, typer.Option("--budget", min=10, help="with --measured: whole trainings' worth to spend")
]


# fmt: off
def halving(
    data: o.MaybeData = None, out: o.MaybeOut = None, measured: Measured = None,
    target_macs: o.Target = None, over: Over = "epochs",
    rungs: o.Rungs = None, reduction: o.Reduction = None, search_epochs: Epochs = 9,
    train_time: Time = "10m", seeds: Seeds = 3, budget: Budget = 60,
    limit: o.Limit = None, image_size: o.ImageSize = None,
    space: o.Space = "mixed", resolution: o.Resolution = None, width: o.Width = 1.0,
    sampler: o.Sampler = "greybox", confirm: o.Confirm = 3,
    recipe: o.Recipe = "fast", set_: o.Set = None, loaders: o.Loaders = None,
    seed: o.Seed = 0, device: o.Device = "auto", json: o.Json = False,
) -> None:
    """Searches with and without halving for the same training time; best confirmed rewards."""
    from experiments.bench.halving import HalvingBench, bench_curves, bench_halving
    from nas.halving import Halving

    if measured is not None:
        how = Halving(3 if rungs is None else rungs, 3 if reduction is None else reduction)
        with reporting(json) as reporter:
            rows = bench_curves(
                measured, how, sampler=sampler, seeds=seeds, budget=budget, reporter=reporter
            )
        show_rows("halving", rows, json)
        return
    if data is None or out is None:
        raise InputError("`nas bench halving` needs --data and --out, or --measured")
    from experiments.aims import read_aim
    from experiments.requests import data_request, search_request

    asked = search_request(
        read_aim(target_macs, objective="soft"), space=space, resolution=resolution, width=width,
        sampler=sampler, trials=MANY, time=None, train_time=train_time, trial_time=None,
        random_baseline=False, warm_start=None, confirm=confirm, epochs=search_epochs,
        halving=over, rungs=rungs, reduction=reduction,
    )  # fmt: skip
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, loaders=loaders,
    )  # fmt: skip
    assert asked.halving is not None
    bench = HalvingBench(request, asked, asked.halving, out, seeds)
    with reporting(json) as reporter:
        rows = bench_halving(bench, reporter)
    show_rows("halving", rows, json)
# fmt: on


COMMANDS: Mapping[str, Callable[..., None]] = {"halving": halving}
