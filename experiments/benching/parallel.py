"""`nas bench parallel`: several workers against one, and what a trial costs beside its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from experiments import options as o
from experiments.benching.showing import show_rows
from experiments.opening import reporting

__all__ = ["COMMANDS"]

Data = Annotated[str, typer.Option("--data", metavar="DATA", help="what is trained on")]
Seconds = Annotated[str, typer.Option("--seconds", metavar="TIME", help="of one training")]
Jobs = Annotated[int, typer.Option("--jobs", min=1, help="trainings that are timed")]
Trials = Annotated[int, typer.Option("--trials", min=1, help="of the search that is timed")]
Epochs = Annotated[int, typer.Option("--search-epochs", min=1, help="of each of its trainings")]
AtOnce = Annotated[int, typer.Option("--workers", min=2, help="trainings at once, against one")]
Repeats = Annotated[int, typer.Option("--repeats", min=1, help="of everything, in turns")]


def parallel(
    data: Data = "digits",
    seconds: Seconds = "20s",
    jobs: Jobs = 8,
    trials: Trials = 40,
    search_epochs: Epochs = 2,
    workers: AtOnce = 2,
    repeats: Repeats = 3,
    limit: o.Limit = None,
    json: o.Json = False,
) -> None:
    """Times trainings by one worker and by several, one core each, and a search by several."""
    from experiments.aims import Aim
    from experiments.amounts import parse_seconds
    from experiments.bench.parallel import ParallelBench, bench_parallel
    from experiments.prepare import DataRequest
    from experiments.search_request import SearchRequest

    length = parse_seconds(seconds, what="--seconds")
    asked = ParallelBench(
        DataRequest(data, limit=limit, device="cpu"),
        SearchRequest(Aim(2e6), trials=trials, epochs=search_epochs, confirm=0),
        length, jobs, trials, workers, repeats,
    )  # fmt: skip
    with reporting(json) as reporter:
        rows = bench_parallel(asked, reporter)
    show_rows("parallel", rows, json)


COMMANDS: Mapping[str, Callable[..., None]] = {"parallel": parallel}
