"""`nas bench simulate`: a search on many workers, simulated with measured training times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from experiments import options as o
from experiments.benching.showing import show_rows
from experiments.opening import reporting
from search_spaces.errors import InputError

__all__ = ["COMMANDS"]

Times = Annotated[
    Path, typer.Option("--times", metavar="FILE", help="Parquet file of training times in seconds")
]
Column = Annotated[str, typer.Option("--column", help="of the file; `seconds` of trials.parquet")]
Workers = Annotated[int, typer.Option("--workers", min=1, help="trainings at once")]
Trials = Annotated[int, typer.Option("--trials", min=1, help="of the search")]
Node = Annotated[int, typer.Option("--node", min=1, help="workers that are lost together")]
Losses = Annotated[
    str | None, typer.Option("--losses", help="mean time between losses of a node, as 24h [never]")
]
Away = Annotated[str, typer.Option("--away", help="until a lost node is back")]
Stragglers = Annotated[
    str | None, typer.Option("--stragglers", help="SHARExFACTOR: 0.05x2, a 20th take twice as long")
]
Timeout = Annotated[
    str | None, typer.Option("--timeout", help="trainings that take longer end then, as 2h [none]")
]
Generation = Annotated[
    int | None, typer.Option("--generation", min=1, help="trials of a generation [--workers]")
]
Real = Annotated[bool, typer.Option("--real", help="ask for every trial really, not for a few")]


# fmt: off
def simulate(
    times: Times, column: Column = "train_time", workers: Workers = 1000, trials: Trials = 20_000,
    node: Node = 8, losses: Losses = None, away: Away = "10m", stragglers: Stragglers = None,
    timeout: Timeout = None, generation: Generation = None, sampler: o.Sampler = "greybox",
    real: Real = False, seed: o.Seed = 0, json: o.Json = False,
) -> None:
    """Simulates a search on many workers: how busy they are, and whether the sampler keeps up."""
    from experiments.amounts import parse_seconds
    from experiments.bench.simulate import SimulateBench, bench_simulate, read_times
    from experiments.studies.simulation import Fleet

    slow, slowness = _stragglers(stragglers)
    fleet = Fleet(
        workers=workers, node=node, slow=slow, slowness=slowness,
        losses=inf if losses is None else parse_seconds(losses, what="--losses"),
        away=parse_seconds(away, what="--away"),
    )  # fmt: skip
    limit = inf if timeout is None else parse_seconds(timeout, what="--timeout")
    asked = SimulateBench(
        fleet, read_times(times, column), trials, sampler, generation, limit, real, seed
    )
    with reporting(json) as reporter:
        rows = bench_simulate(asked, reporter)
    show_rows("simulate", rows, json)
# fmt: on


def _stragglers(text: str | None) -> tuple[float, float]:
    """Reads `0.05x2` as a share and a factor."""
    if text is None:
        return 0.0, 1.0
    try:
        share, factor = (float(part) for part in text.split("x"))
    except ValueError:
        raise InputError(
            f"--stragglers {text!r} cannot be read; write SHARExFACTOR, as 0.05x2"
        ) from None
    return share, factor


COMMANDS: Mapping[str, Callable[..., None]] = {"simulate": simulate}
