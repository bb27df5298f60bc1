"""`nas bench search`: samplers held against one another on measured spaces."""

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

USUAL = {
    "soft": "greybox,gp,tpe,nsga2,evolution,local,ppo,random",
    "front": "greybox,gp,tpe,nsga2,random",
}

Measured = Annotated[
    Path, typer.Option("--measured", metavar="DIR", help="folder of the measured tables' Parquet")
]
Problems = Annotated[str, typer.Option("--problems", help="macro, mnas, with commas between")]
Samplers = Annotated[
    str | None, typer.Option("--samplers", help="names with commas between [all; for fronts, five]")
]
Aim = Annotated[str, typer.Option("--objective", help="soft, or front: accuracy against MACs")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="searches of each")]
Trials = Annotated[int, typer.Option("--trials", min=2, help="of each search")]
AtOnce = Annotated[
    str, typer.Option("--at-once", help="trials that run at a time, as 1,16: searches with each")
]
Target = Annotated[str | None, typer.Option("--target-macs", help="another target, as 200M")]
Keep = Annotated[
    Path | None, typer.Option("--keep", metavar="FILE", help="what is done; run again, it goes on")
]
Figure = Annotated[
    Path | None, typer.Option("--figure", metavar="FILE", help="regret against trials, as HTML")
]
Page = Annotated[
    Path | None, typer.Option("--page", metavar="FILE", help="docs page to put the table into")
]


def search(
    measured: Measured,
    problems: Problems = "mnas,macro",
    samplers: Samplers = None,
    objective: Aim = "soft",
    seeds: Seeds = 10,
    trials: Trials = 200,
    at_once: AtOnce = "1",
    target_macs: Target = None,
    keep: Keep = None,
    figure: Figure = None,
    page: Page = None,
    json: o.Json = False,
) -> None:
    """Searches measured spaces with every sampler: trials to a good network, time to suggest."""
    from experiments.amounts import parse_count
    from experiments.bench.search import SearchBench, bench_search

    if objective not in USUAL:
        raise InputError(f"--objective is {objective!r}; the benches are of {' and '.join(USUAL)}")
    samplers = samplers or USUAL[objective]
    target = None if target_macs is None else parse_count(target_macs, what="--target-macs")
    asked = SearchBench(
        measured, tuple(problems.split(",")), tuple(samplers.split(",")), seeds, trials, target,
        keep, figure, page, objective == "front", _numbers(at_once),
    )  # fmt: skip
    with reporting(json) as reporter:
        rows = bench_search(asked, reporter)
    show_rows("search", rows, json)


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--at-once {text!r}: numbers are wanted, as in 1,4,16") from None


COMMANDS: Mapping[str, Callable[..., None]] = {"search": search}
