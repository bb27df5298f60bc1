"""The `nas` command: parses and wires. Heavy imports wait until a command needs them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from experiments import inspection
from experiments import options as o
from search_spaces.errors import InputError, RunError

if TYPE_CHECKING:
    from experiments.config import TrainingConfig
    from experiments.prepare import DataRequest, SearchRequest
    from experiments.progress import Reporter
    from experiments.session import Session

__all__ = ["app", "main"]

app = typer.Typer(
    name="nas",
    help="Searches MBConv and Fused-MBConv networks for a cost target, finds their scaling "
    "constants, and trains and exports the family.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


STOPPED = "stopped; what had finished is kept, and the same command goes on"


@contextmanager
def _reporter(quiet: bool = False) -> Iterator[Reporter]:
    from experiments.progress import ConsoleReporter, Reporter

    if quiet:
        yield Reporter()
        return
    with ConsoleReporter() as reporter:
        yield reporter


@app.command()
def run(
    data: o.Data,
    target_macs: o.Target,
    out: o.Out,
    limit: o.Limit = None,
    image_size: o.ImageSize = None,
    space: o.Space = "mixed",
    resolution: o.Resolution = None,
    width: o.Width = 1.0,
    objective: o.Objective = "soft",
    exponent: o.Exponent = None,
    sampler: o.Sampler = "tpe",
    trials: o.Trials = 30,
    time: o.Time = None,
    confirm: o.Confirm = 3,
    search_epochs: o.SearchEpochs = 3,
    alpha: o.Alpha = "1:2",
    beta: o.Beta = "1:1.5",
    gamma: o.Gamma = "1:1.5",
    step: o.Step = 0.05,
    tolerance: o.Tolerance = 0.1,
    candidates: o.Candidates = 8,
    grid_seeds: o.GridSeeds = 1,
    grid_epochs: o.GridEpochs = 3,
    phi: o.Phi = "0:3",
    seeds: int = typer.Option(3, "--seeds", min=1, help="trainings of the base and each baseline"),
    baselines: bool = typer.Option(True, help="train MobileNetV2 and EfficientNet-B0 beside it"),
    formats: o.Format = "spec,onnx,safetensors",
    recipe: o.Recipe = "fast",
    set_: o.Set = None,
    epochs: o.Epochs = None,
    workers: o.Workers = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    json: o.Json = False,
) -> None:
    """Does it all: searches, scales, trains, compares, exports. Run again, it continues."""
    from experiments.export import parse_formats
    from experiments.render import print_json, print_report
    from experiments.report import report_document
    from experiments.requests import data_request, grid_plan, search_request
    from experiments.run import RunPlan, run_all
    from scaling.family import parse_phis

    asked = search_request(
        target_macs, space=space, resolution=resolution, width=width, objective=objective,
        exponent=exponent, sampler=sampler, trials=trials, time=time, confirm=confirm,
        epochs=search_epochs,
    )  # fmt: skip
    grid = grid_plan(
        alpha=alpha, beta=beta, gamma=gamma, step=step, tolerance=tolerance,
        candidates=candidates, seeds=grid_seeds, epochs=grid_epochs,
    )  # fmt: skip
    plan = RunPlan(grid, parse_phis(phi), seeds, baselines, parse_formats(formats))
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, epochs=epochs, workers=workers,
    )  # fmt: skip
    with _opened(request, out, json, asked) as session:
        run_all(session, plan)
        document = report_document(session.folder)
    print_json(document) if json else print_report(document)


@contextmanager
def _opened(
    request: DataRequest,
    out: Path,
    quiet: bool,
    search: SearchRequest | None = None,
    *,
    training: TrainingConfig | None = None,
) -> Iterator[Session]:
    from experiments.prepare import start
    from experiments.store import RunFolder

    folder = RunFolder(out)
    with (
        _reporter(quiet) as reporter,
        start(request, folder, reporter, search, training=training) as session,
    ):
        yield session


@contextmanager
def _reopened(out: Path, quiet: bool, device: str) -> Iterator[Session]:
    from experiments.prepare import reopen
    from experiments.store import RunFolder

    with (
        _reporter(quiet) as reporter,
        reopen(RunFolder(out), reporter, device=device) as session,
    ):
        yield session


@app.command()
def search(
    data: o.Data,
    target_macs: o.Target,
    out: o.Out,
    limit: o.Limit = None,
    image_size: o.ImageSize = None,
    space: o.Space = "mixed",
    resolution: o.Resolution = None,
    width: o.Width = 1.0,
    objective: o.Objective = "soft",
    exponent: o.Exponent = None,
    sampler: o.Sampler = "tpe",
    trials: o.Trials = 30,
    time: o.Time = None,
    confirm: o.Confirm = 3,
    search_epochs: o.SearchEpochs = 3,
    recipe: o.Recipe = "fast",
    set_: o.Set = None,
    workers: o.Workers = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    json: o.Json = False,
) -> None:
    """Searches a space for the network with the best reward at a MACs target."""
    from experiments.render import print_json, print_search
    from experiments.requests import data_request, search_request
    from experiments.search_results import search_document
    from experiments.search_step import run_search, search_work

    asked = search_request(
        target_macs, space=space, resolution=resolution, width=width, objective=objective,
        exponent=exponent, sampler=sampler, trials=trials, time=time, confirm=confirm,
        epochs=search_epochs,
    )  # fmt: skip
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, workers=workers,
    )  # fmt: skip
    with _opened(request, out, json, asked) as session:
        session.reporter.plan(search_work(session))
        session.reporter.step("Search")
        with session.folder.timed("search"):
            run_search(session)
        document = search_document(session.folder)
    print_json(document) if json else print_search(document)


@app.command()
def scale(
    base: o.ArchArg,
    grid: bool = typer.Option(False, "--grid", help="train the α, β, γ candidates, rank them"),
    list_: bool = typer.Option(False, "--list", help="with --grid: list them, train nothing"),
    phi: str | None = typer.Option(None, "--phi", help="list the family, as 0:3 or 0,0.5,1"),
    target_macs: str | None = typer.Option(None, help="list a family of these MACs, as 4M,8M"),
    constants: str | None = typer.Option(None, help="α,β,γ [the grid's, else 1.2,1.1,1.15]"),
    alpha: o.Alpha = "1:2",
    beta: o.Beta = "1:1.5",
    gamma: o.Gamma = "1:1.5",
    step: o.Step = 0.05,
    tolerance: o.Tolerance = 0.1,
    candidates: o.Candidates = None,
    grid_seeds: o.GridSeeds = 1,
    grid_epochs: o.GridEpochs = 3,
    resolution: o.Resolution = None,
    max_stride: o.MaxStride = None,
    data: o.MaybeData = None,
    limit: o.Limit = None,
    image_size: o.ImageSize = None,
    recipe: o.Recipe = "fast",
    set_: o.Set = None,
    workers: o.Workers = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    out: o.MaybeOut = None,
    json: o.Json = False,
) -> None:
    """Finds scaling constants by grid search, or lists the family that constants make."""
    from experiments import scale_step as steps
    from experiments.arch import adapted, resolve_arch
    from experiments.render import print_candidates, print_family, print_grid, print_json
    from experiments.requests import data_request, grid_plan

    arch = resolve_arch(base)
    plan = grid_plan(
        alpha=alpha, beta=beta, gamma=gamma, step=step, tolerance=tolerance,
        candidates=candidates, seeds=grid_seeds, epochs=grid_epochs,
    )  # fmt: skip
    spec = adapted(arch.spec, resolution=resolution, max_stride=max_stride)
    if list_:
        found = steps.candidates_document(spec, plan)
        print_json(found) if json else print_candidates(found)
        return
    if not grid:
        family = steps.family_document(
            arch, spec, phi=phi, target_macs=target_macs, constants=constants, out=out
        )
        print_json(family) if json else print_family(family)
        return
    folder = steps.grid_folder(arch, out)
    request = None
    if data is not None:
        request = data_request(
            data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
            overrides=set_, workers=workers,
        )  # fmt: skip
    with _session(request, folder, json, device) as session:
        result = steps.grid_command(session, spec, plan)
    print_json(result) if json else print_grid(result)


@contextmanager
def _session(
    request: DataRequest | None, folder: Path, quiet: bool, device: str
) -> Iterator[Session]:
    """Opens a folder for the data asked for, or with the data that it was made with."""
    from experiments.data import FORMS
    from experiments.store import RunFolder

    if request is None and not RunFolder.is_run(folder):
        raise InputError(f"--data is missing ({FORMS}), since {folder} is no run folder")
    opened = _opened(request, folder, quiet) if request else _reopened(folder, quiet, device)
    with opened as session:
        yield session


@app.command()
def train(
    arch: o.MaybeArch = None,
    data: o.MaybeData = None,
    limit: o.Limit = None,
    image_size: o.ImageSize = None,
    resolution: o.Resolution = None,
    max_stride: o.MaxStride = None,
    recipe: o.Recipe = "fast",
    set_: o.Set = None,
    epochs: o.Epochs = None,
    weights: o.Weights = None,
    resume: o.Resume = None,
    workers: o.Workers = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    out: o.MaybeOut = None,
    json: o.Json = False,
) -> None:
    """Trains a network, stopping early on validation; the test part is read once, at the end."""
    from experiments.arch import adapted, resolve_arch
    from experiments.render import print_json, print_training
    from experiments.requests import data_request
    from experiments.train_step import data_asked, train_document, training_asked

    if resume is not None:
        document = _resumed(resume, arch, json, device, workers)
    else:
        if arch is None:
            raise InputError("ARCH is missing: a catalog name, spec file, run folder or checkpoint")
        found = resolve_arch(arch)
        spec = adapted(found.spec, resolution=resolution, max_stride=max_stride)
        source, limit, image_size = data_asked(found, data, limit=limit, image_size=image_size)
        request = data_request(
            source, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
            overrides=set_, epochs=epochs, workers=workers,
        )  # fmt: skip
        asked = training_asked(found, spec, request, weights)
        folder = out or Path("runs") / f"train-{spec.name}"
        with _opened(request, folder, json, training=asked) as session:
            document = train_document(session, spec)
    print_json(document) if json else print_training(document)


def _resumed(
    folder: Path, arch: str | None, quiet: bool, device: str, workers: int | None
) -> dict[str, object]:
    """Goes on with a training, as its folder says and nothing else."""
    from experiments.train_step import resumed, train_document

    if arch is not None:
        raise InputError(f"--resume {folder} says what is trained; leave {arch} out")
    with (
        _reporter(quiet) as reporter,
        resumed(folder, reporter, device=device, workers=workers) as (session, spec),
    ):
        return train_document(session, spec)


@app.command()
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


for name, command in inspection.COMMANDS.items():
    app.command(name)(command)


def main() -> None:
    """Runs the command; prints one line for what goes wrong and sets the exit status."""
    try:
        status = app(sys.argv[1:] or ["--help"], standalone_mode=False)
    except InputError as error:
        sys.exit(_complain(error, 2))
    except RunError as error:
        sys.exit(_complain(error, 1))
    except (KeyboardInterrupt, typer.Abort):
        sys.exit(_complain(STOPPED, 130))
    except Exception as error:
        sys.exit(_complain_about(error))
    if status == 130:  # what typer makes of Ctrl-C; older ones let it through
        _complain(STOPPED, 130)
    sys.exit(status if isinstance(status, int) else 0)


def _complain(message: object, status: int) -> int:
    sys.stderr.write(f"nas: {' '.join(str(message).splitlines())}\n")
    return status


def _complain_about(error: Exception) -> int:
    """Prints a usage error, or a fault of the program itself, in one line."""
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # typer's usage errors
        message = " ".join(error.format_message().split())
        return _complain(f"{message} (`nas --help` says more)", error.exit_code)
    if os.environ.get("NAS_DEBUG"):
        raise error
    return _complain(
        f"failed unexpectedly: {type(error).__name__}: {error} (NAS_DEBUG=1 shows where)", 1
    )


if __name__ == "__main__":
    main()
