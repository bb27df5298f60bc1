"""The commands that look and do not train: cost, list, doctor, report."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from experiments import latency_options as t
from experiments import options as o
from search_spaces.errors import InputError, RunError

__all__ = ["COMMANDS"]


def cost(
    arch: o.ArchArg,
    resolution: o.Resolution = None,
    batch: t.Batch = None,
    max_stride: o.MaxStride = None,
    check: bool = typer.Option(False, "--check", help="build it and count it with fvcore too"),
    latency: t.Latency = False,
    device: t.Device = None,
    against: t.Against = None,
    table: t.PredictFrom = None,
    time: t.Time = None,
    no_step: t.NoStep = None,
    json: o.Json = False,
) -> None:
    """Counts a network's MACs, parameters, activations, memory by stage; or measures its speed."""
    from experiments.arch import adapted, resolve_arch
    from experiments.latency_cost import LatencyOptions, refuse_latency_options, timing_document
    from experiments.listing import check_document, cost_document
    from experiments.render import print_json
    from experiments.render_cost import print_cost
    from experiments.render_latency import print_timing

    options = LatencyOptions(device, against, table, time, no_step)
    if not latency:
        refuse_latency_options(options)
    elif check:
        raise InputError("--check counts and --latency measures; give one of the two")
    spec = adapted(resolve_arch(arch).spec, resolution=resolution, max_stride=max_stride)
    if latency:
        document = timing_document(
            spec, options, batch=batch, resolution=resolution, max_stride=max_stride
        )
        print_json(document) if json else print_timing(document)
        return
    document = cost_document(spec, batch=batch or 1)
    if check:
        document["fvcore"] = check_document(spec)
    print_json(document) if json else print_cost(document)
    if check and not document["fvcore"]["equal"]:
        theirs = document["fvcore"]["macs"]
        raise RunError(f"{spec.name}: {document['macs']:,} MACs, but fvcore counts {theirs:,}")


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
    preview: o.Preview = None,
    json: o.Json = False,
) -> None:
    """Says what is installed and missing, and what is wrong with data; exits 1 if anything is."""
    from experiments.doctor import doctor_document
    from experiments.doctor_text import print_doctor
    from experiments.render import print_json

    if preview and data is None:
        raise InputError(f"--preview {preview} needs the --data to draw from")
    document = doctor_document(data, limit=limit, preview=preview)
    print_json(document) if json else print_doctor(document)
    if not document["healthy"]:
        raise typer.Exit(1)


def report(out: o.RunArg, json: o.Json = False) -> None:
    """Writes a run's report.html, which opens without a network, and prints its final table."""
    from experiments.render import print_json, print_report
    from experiments.report import report_document
    from experiments.store import RunFolder

    document = report_document(RunFolder(out))
    print_json(document) if json else print_report(document)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "cost": cost,
    "list": list_,
    "doctor": doctor,
    "report": report,
}
