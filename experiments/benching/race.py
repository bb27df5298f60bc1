"""`nas bench race`: what racing a grid of constants saves, and what its pick is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from experiments import options as o
from experiments import scale_options as s
from experiments.benching.showing import show_rows
from experiments.opening import reporting

__all__ = ["COMMANDS"]

Bases = Annotated[
    str, typer.Option("--bases", metavar="ARCH,ARCH", help="whose grids, with commas between")
]
Seeds = Annotated[int, typer.Option("--grid-seeds", min=2, help="trainings of a candidate")]


# fmt: off
def race(
    bases: Bases, data: o.Data, out: o.Out,
    alpha: o.Alpha = "1:2", beta: o.Beta = "1:1.5", gamma: o.Gamma = "1:1.5",
    step: o.Step = 0.05, tolerance: o.Tolerance = 0.1, constraint: s.Constraint = "nominal",
    candidates: o.Candidates = None, grid_seeds: Seeds = 3, grid_epochs: o.GridEpochs = 9,
    divisor: s.Divisor = None, ninety_percent: s.NinetyPercent = None,
    fixed_ends: s.FixedEnds = None, late_layers: s.LateLayers = None,
    limit: o.Limit = None, image_size: o.ImageSize = None,
    recipe: o.Recipe = "fast", set_: o.Set = None, loaders: o.Loaders = None,
    seed: o.Seed = 0, device: o.Device = "auto", json: o.Json = False,
) -> None:
    """Trains the grids of bases in full and as races, through one log; what the races miss."""
    from experiments.bench.race import RaceBench, bench_race
    from experiments.requests import data_request, grid_plan

    plan = grid_plan(
        alpha=alpha, beta=beta, gamma=gamma, step=step, tolerance=tolerance, constraint=constraint,
        candidates=candidates, seeds=grid_seeds, epochs=grid_epochs, race=True,
    )
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, loaders=loaders,
    )
    rounding = s.RoundingOptions(divisor, ninety_percent, fixed_ends, late_layers)
    names = tuple(name.strip() for name in bases.split(",") if name.strip())
    with reporting(json) as reporter:
        rows = bench_race(RaceBench(request, names, plan, out, rounding), reporter)
    show_rows("race", rows, json)
# fmt: on


COMMANDS: Mapping[str, Callable[..., None]] = {"race": race}
