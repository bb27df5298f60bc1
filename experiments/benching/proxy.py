"""`nas bench proxy`: whether short trainings order networks as long ones do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments import options as o
from experiments.grouping import grouped
from experiments.opening import reopened, reporting
from experiments.option_groups import PlacementOptions
from search_spaces.errors import InputError

if TYPE_CHECKING:
    from experiments.bench.proxy import ProxyOptions

__all__ = ["COMMANDS"]

WITH_RUN = {
    "run", "networks", "seeds", "scores", "device", "loaders", "json",
    "workers", "ray", "cpus", "gpus", "retries",
}  # fmt: skip

Run = Annotated[
    Path | None,
    typer.Option("--run", metavar="RUN", help="space, data, epochs of a run; its report shows it"),
]
Networks = Annotated[int, typer.Option("--networks", min=3, help="random ones of the space")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="trainings by the full recipe of each")]
Near = Annotated[
    str | None, typer.Option("--target-macs", help="only networks of half to twice these MACs")
]
Short = Annotated[int, typer.Option("--proxy-epochs", min=1, help="epochs of the proxy")]
Fewer = Annotated[
    int | None, typer.Option("--proxy-limit", min=1, help="images of the proxy [all of --limit]")
]
Smaller = Annotated[
    int | None, typer.Option("--proxy-resolution", min=1, help="side of its images [the space's]")
]
Scores = Annotated[
    str | None, typer.Option("--scores", help="zero-cost scores to compare, with commas between")
]
Keep = Annotated[
    Path | None, typer.Option("--keep", metavar="FILE", help="what is done; run again, it goes on")
]


@grouped
def proxy(
    context: typer.Context,
    *,
    run: Run = None,
    data: o.MaybeData = None,
    networks: Networks = 20,
    seeds: Seeds = 2,
    proxy_epochs: Short = 3,
    proxy_limit: Fewer = None,
    proxy_resolution: Smaller = None,
    scores: Scores = None,
    target_macs: Near = None,
    space: o.Space = "mixed",
    resolution: o.Resolution = None,
    width: o.Width = 1.0,
    limit: o.Limit = None,
    image_size: o.ImageSize = None,
    recipe: o.Recipe = "fast",
    set_: o.Set = None,
    epochs: o.Epochs = None,
    placed: PlacementOptions,
    loaders: o.Loaders = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    keep: Keep = None,
    json: o.Json = False,
) -> None:
    """Trains random networks by a proxy and by the full recipe; says whether their orders agree."""
    from experiments.amounts import parse_count
    from experiments.bench.proxy import ProxyOptions, check_proxy
    from experiments.requests import data_request

    options = ProxyOptions(
        networks=networks, seeds=seeds, scores=tuple(scores.split(",")) if scores else (),
        space=space, resolution=resolution, width=width, keep=keep, proxy_epochs=proxy_epochs,
        target_macs=None if target_macs is None else parse_count(target_macs, what="--target-macs"),
        proxy_limit=proxy_limit, proxy_resolution=proxy_resolution,
    )  # fmt: skip
    placement = placed.request()
    if run is not None:
        _refuse_own(context, run)
        how = {"loaders": loaders, "placement": placement}
        _show(_checked(run, options, device, json, how), json)
        return
    if data is None:
        raise InputError("`nas bench proxy` needs --data, or --run to take a run's")
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, epochs=epochs, loaders=loaders, placement=placement,
    )  # fmt: skip
    with reporting(json) as reporter:
        document = check_proxy(options, request, reporter)
    _show(document, json)


def _refuse_own(context: typer.Context, run: Path) -> None:
    """Raises `InputError` for an option that the run itself answers."""
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if option.name not in WITH_RUN and source is not None and source.name == "COMMANDLINE":
            raise InputError(
                f"{option.opts[0]} does not go with --run; {run} says what it was made with"
            )


def _checked(
    run: Path, options: ProxyOptions, device: str, quiet: bool, how: Mapping[str, Any]
) -> dict[str, Any]:
    from experiments.bench.proxy import check_run
    from experiments.report import write_report

    with reopened(run, quiet, device, **how) as session:
        document = check_run(options, session)
        write_report(session.folder)
    return document


def _show(document: dict[str, Any], json: bool) -> None:
    from experiments.render import print_bench, print_json, print_lines
    from experiments.trust import trust_table

    if json:
        print_json(document)
        return
    if document["agreement"]:
        print_bench({"proxy": trust_table(document["agreement"])})
    print_lines([document["verdict"]])


COMMANDS: Mapping[str, Callable[..., None]] = {"proxy": proxy}
