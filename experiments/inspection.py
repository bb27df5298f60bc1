"""The commands that look and do not train: cost, list, doctor, report, bench."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from experiments import options as o

__all__ = ["COMMANDS"]


def cost(
    arch: o.ArchArg,
    resolution: o.Resolution = None,
    batch: int = typer.Option(1, "--batch", min=1, help="images at once, for the memory estimate"),
    max_stride: o.MaxStride = None,
    json: o.Json = False,
) -> None:
    """Counts a network's MACs, parameters, activations and training memory, by stage."""
    from experiments.arch import adapted, resolve_arch
    from experiments.listing import cost_document
    from experiments.render import print_cost, print_json

    spec = adapted(resolve_arch(arch).spec, resolution=resolution, max_stride=max_stride)
    document = cost_document(spec, batch=batch)
    print_json(document) if json else print_cost(document)


def list_(
    spaces: bool = typer.Option(False, "--spaces", help="list the search spaces"),
    samplers: bool = typer.Option(False, "--samplers", help="list the samplers"),
    recipes: bool = typer.Option(False, "--recipes", help="list the training recipes"),
    space: o.MaybeSpace = None,
    json: o.Json = False,
) -> None:
    """Lists the published networks, or the spaces, samplers or recipes."""
    from experiments import listing
    from experiments.render import print_json, print_listing

    chosen = {"spaces": spaces or space is not None, "samplers": samplers, "recipes": recipes}
    kind = next((name for name, wanted in chosen.items() if wanted), "networks")
    document = listing.spaces_document(space) if space else listing.listing_document(kind)
    print_json(document) if json else print_listing(document)


def doctor(
    data: o.MaybeData = None,
    limit: o.Limit = None,
    json: o.Json = False,
) -> None:
    """Says what is installed, which devices there are, what is missing and how to get it."""
    from experiments.doctor import doctor_document
    from experiments.render import print_doctor, print_json

    document = doctor_document(data, limit=limit)
    print_json(document) if json else print_doctor(document)


def report(out: o.RunArg, json: o.Json = False) -> None:
    """Writes a run's report.html, which opens without a network, and prints its final table."""
    from experiments.render import print_json, print_report
    from experiments.report import report_document
    from experiments.store import RunFolder

    document = report_document(RunFolder(out))
    print_json(document) if json else print_report(document)


def bench(
    what: str = typer.Argument("all", help="cost, tables, step, startup or all"),
    json: o.Json = False,
) -> None:
    """Measures this machine: the cost model against fvcore, training steps, start-up."""
    from experiments.benches import bench_document
    from experiments.render import print_bench, print_json

    document = bench_document(what)
    print_json(document) if json else print_bench(document)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "cost": cost,
    "list": list_,
    "doctor": doctor,
    "report": report,
    "bench": bench,
}
