"""The commands that make things of one network: scale, train, export."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from experiments import options as o
from experiments import scale_options as s
from experiments.grouping import grouped
from experiments.opening import opened, reporting, session_of
from experiments.option_groups import GridOptions, PlacementOptions
from experiments.ranked.plan import Ranks
from search_spaces.errors import InputError

if TYPE_CHECKING:
    from experiments.arch import Arch
    from experiments.family_step import FamilyRequest
    from experiments.prepare import DataRequest
    from experiments.recipes import Recipe
    from experiments.scale_step import GridPlan
    from search_spaces.spec import ArchSpec

__all__ = ["COMMANDS"]


# fmt: off
@grouped
def scale(
    base: o.ArchArg, *,
    grid: bool = typer.Option(False, "--grid", help="train the α, β, γ candidates, rank them"),
    list_: bool = typer.Option(False, "--list", help="with --grid: list them, train nothing"),
    phi: str | None = typer.Option(None, "--phi", help="list the family, as 0:3 or -1,0.5,1"),
    target_macs: str | None = typer.Option(None, help="list a family of these MACs, as 4M,8M"),
    published: s.Published = False,
    constants: str | None = typer.Option(None, help="α,β,γ [the grid's, else 1.2,1.1,1.15]"),
    memory: s.Memory = None, batch: s.Batch = None,
    step_time: s.StepTime = False, table: s.StepTable = None,
    scaled: GridOptions, rounding: s.RoundingOptions,
    candidates: o.Candidates = None, inherit: o.GridInherit = False,
    resolution: o.Resolution = None, max_stride: o.MaxStride = None,
    data: o.MaybeData = None, limit: o.Limit = None, image_size: o.ImageSize = None,
    recipe: o.Recipe = "fast", set_: o.Set = None,
    placed: PlacementOptions, loaders: o.Loaders = None,
    seed: o.Seed = 0, device: o.MaybeDevice = None, deterministic: o.Deterministic = False,
    out: o.MaybeOut = None, json: o.Json = False,
) -> None:
    """Finds scaling constants by grid search, or lists the family that constants make."""
    from experiments import scale_step as steps
    from experiments.arch import adapted, resolve_arch
    from experiments.family_step import FamilyRequest, family_recipe
    from experiments.render import print_json
    from experiments.render_grid import print_grid
    from experiments.requests import data_request

    family = FamilyRequest(
        phi, target_macs, published, constants, rounding, device, memory, batch, step_time, table,
        out,
    )
    arch = resolve_arch(base)
    plan = scaled.plan(candidates, rounding.applied(arch.rounding))
    spec = adapted(arch.spec, resolution=resolution, max_stride=max_stride)
    if scaled.race and not grid:
        raise InputError("--race is how --grid is trained; give --grid too")
    if list_ or not grid:
        how = family_recipe(arch, recipe, set_ or [])
        _print_listed(arch, spec, family, how, plan if list_ else None, json)
        return
    family.refuse_beside_grid()
    chosen, folder, request = device or "auto", steps.grid_folder(arch, out), None
    placement = placed.request()
    if data is not None:
        request = data_request(
            data, limit=limit, image_size=image_size, seed=seed, device=chosen, recipe=recipe,
            overrides=set_, loaders=loaders, deterministic=deterministic, placement=placement,
        )
    with session_of(
        request, folder, json, chosen, deterministic=deterministic, placement=placement
    ) as session:
        source = arch.checkpoint if inherit else None
        result = steps.grid_command(session, spec, plan, inherits=inherit, checkpoint=source)
    print_json(result) if json else print_grid(result)
# fmt: on


def _print_listed(
    arch: Arch,
    spec: ArchSpec,
    family: FamilyRequest,
    recipe: Recipe,
    plan: GridPlan | None,
    json: bool,
) -> None:
    """Prints the candidates of a grid, or the family where there is no plan of one."""
    from experiments.family_step import family_document
    from experiments.render import print_json
    from experiments.render_family import print_candidates, print_family
    from experiments.scale_step import candidates_document

    if plan is None:
        document, shown = family_document(arch, spec, family, recipe), print_family
    else:
        family.refuse_beside_grid()
        document, shown = candidates_document(spec, plan), print_candidates
    print_json(document) if json else shown(document)


# fmt: off
@grouped
def train(
    arch: o.MaybeArch = None, *, data: o.MaybeData = None, limit: o.Limit = None,
    image_size: o.ImageSize = None, resolution: o.Resolution = None,
    max_stride: o.MaxStride = None, recipe: o.Recipe = "fast", set_: o.Set = None,
    epochs: o.Epochs = None, weights: o.Weights = None, inherit: o.Inherit = False,
    family: o.Family = False, inherit_epochs: o.InheritEpochs = None, resume: o.Resume = None,
    ranks: o.Ranks = 1, placed: PlacementOptions, loaders: o.Loaders = None,
    seed: o.Seed = 0, device: o.Device = "auto", deterministic: o.Deterministic = False,
    track: o.Track = None, out: o.MaybeOut = None, json: o.Json = False,
) -> None:
    """Trains a network, stopping early on validation; the test part is read once, at the end."""
    from experiments.family_command import family_document, refuse_given
    from experiments.family_training import FamilyPlan
    from experiments.parallel.request import HERE
    from experiments.render import print_json, print_trained_family, print_training
    from experiments.requests import data_request

    given = {
        "--data": data, "--limit": limit, "--image-size": image_size, "--seed": seed or None,
        "--resolution": resolution, "--max-stride": max_stride, "--set": set_, "--out": out,
        "--epochs": epochs, "--weights": weights, "--recipe": None if recipe == "fast" else recipe,
    }  # fmt: skip
    how: dict[str, Any] = {
        "device": device, "loaders": loaders, "deterministic": deterministic, "track": track,
        "placement": HERE if ranks > 1 else placed.request(),
    }  # fmt: skip
    request: Callable[..., DataRequest] = partial(
        data_request, limit=limit, image_size=image_size, seed=seed, recipe=recipe,
        overrides=set_, epochs=epochs, **how,
    )  # fmt: skip
    together = Ranks(ranks, placed.ray, device, 2 if placed.retries is None else placed.retries)
    if ranks > 1:
        several = {
            "--family": family or None, "--workers": placed.workers, "--cpus": placed.cpus,
            "--gpus": placed.gpus,
        }  # fmt: skip
        refuse_given(several, "--ranks is one network's, each rank with a GPU or its cores")
    elif placed.workers is not None and not family:
        raise InputError(
            "--workers is for --family; one network trains in one process, or in --ranks"
        )
    if resume is not None:
        named = {"ARCH": arch, "--inherit": inherit or None, "--family": family or None}
        document = _resumed(resume, {**named, **given}, json, how, together)
    elif arch is None:
        raise InputError("ARCH is missing: a catalog name, spec file, run folder or checkpoint")
    elif family:
        plan = FamilyPlan(inherits=inherit, epochs=inherit_epochs)
        asked = None if data is None else request(data)
        trained = family_document(Path(arch), plan, asked, given, quiet=json, how=how)
        print_json(trained) if json else print_trained_family(trained)
        return
    else:
        sizes = {"resolution": resolution, "max_stride": max_stride}
        document = _trained(arch, given, sizes, request, together, inherit=inherit, quiet=json)
    print_json(document) if json else print_training(document)
# fmt: on


def _trained(
    text: str,
    given: Mapping[str, Any],
    sizes: Mapping[str, Any],
    request: Callable[..., DataRequest],
    ranks: Ranks,
    *,
    inherit: bool,
    quiet: bool,
) -> dict[str, Any]:
    """Trains one network."""
    from experiments.arch import adapted, resolve_arch
    from experiments.train_step import data_asked, train_document, training_asked

    arch = resolve_arch(text)
    spec = adapted(arch.spec, **sizes)
    source, limit, image_size = data_asked(
        arch, given["--data"], limit=given["--limit"], image_size=given["--image-size"]
    )
    asked = request(source, limit=limit, image_size=image_size)
    training = training_asked(arch, spec, asked, given["--weights"], inherits=inherit)
    folder = given["--out"] or Path("runs") / f"train-{spec.name}"
    with opened(asked, folder, quiet, training=training) as session:
        return train_document(replace(session, ranks=ranks), spec)


def _resumed(
    folder: Path, given: Mapping[str, object], quiet: bool, how: Mapping[str, Any], ranks: Ranks
) -> dict[str, object]:
    """Goes on with a training, as its folder says and nothing else."""
    from experiments.family_command import refuse_given
    from experiments.tracking import parse_trackers
    from experiments.train_step import resumed, train_document

    refuse_given(given, f"--resume {folder} says how it is trained")
    trackers = parse_trackers(how["track"] or [])
    with (
        reporting(quiet) as reporter,
        resumed(folder, reporter, **{**how, "track": trackers}) as (session, spec),
    ):
        return train_document(replace(session, ranks=ranks), spec)


def export(
    arch: o.ArchArg,
    formats: o.Format = "spec,onnx,safetensors",
    data: o.MaybeData = None,
    out: o.MaybeOut = None,
    json: o.Json = False,
) -> None:
    """Writes a network as files, each checked against torch on real images."""
    from experiments.arch import resolve_arch
    from experiments.export import parse_formats
    from experiments.export_step import export_arch, export_document, export_folder
    from experiments.render import print_export, print_json

    names = parse_formats(formats)
    found = resolve_arch(arch)
    folder = export_folder(found, out)
    with found.run.lock() if found.run else nullcontext():
        exported = export_arch(found, folder, names, data=data)
    document = export_document(exported, folder, found)
    print_json(document) if json else print_export(document)


COMMANDS: Mapping[str, Callable[..., None]] = {"scale": scale, "train": train, "export": export}
