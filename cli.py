"""The `nas` command: parses and wires. Heavy imports wait until a command needs them."""

from __future__ import annotations

import os
import sys

import typer

from experiments import clustering, inspection, making, searching, serving
from experiments import options as o
from experiments import scale_options as s
from experiments.benching import app as benching
from experiments.opening import opened
from search_spaces.errors import InputError, RunError
from search_spaces.resize import ROUNDING

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


# fmt: off
@app.command()
def run(
    data: o.Data,
    out: o.Out,
    target_macs: o.Target = None, target: o.TargetOf = None, cost: o.Cost = None,
    at_most: o.AtMost = None, front_cost: o.FrontCost = None,
    front_range: o.FrontRange = None, table: o.Table = None,
    objective: o.Objective = "soft", exponent: o.Exponent = None,
    limit: o.Limit = None, image_size: o.ImageSize = None,
    space: o.Space = "mixed", resolution: o.Resolution = None, width: o.Width = 1.0,
    sampler: o.Sampler = "greybox", trials: o.Trials = 30, time: o.Time = None,
    train_time: o.TrainTime = None, trial_time: o.TrialTime = None,
    random_baseline: o.RandomBaseline = False, warm_start: o.WarmStart = None,
    confirm: o.Confirm = 3, search_epochs: o.SearchEpochs = 3,
    halving: o.Halving = None, rungs: o.Rungs = None, reduction: o.Reduction = None,
    ceiling: o.Ceiling = None, storage: o.Storage = None,
    alpha: o.Alpha = "1:2", beta: o.Beta = "1:1.5", gamma: o.Gamma = "1:1.5",
    step: o.Step = 0.05, tolerance: o.Tolerance = 0.1, constraint: s.Constraint = "nominal",
    divisor: s.Divisor = None, ninety_percent: s.NinetyPercent = None,
    fixed_ends: s.FixedEnds = None, late_layers: s.LateLayers = None,
    candidates: o.Candidates = 8,
    grid_seeds: o.GridSeeds = 1, grid_epochs: o.GridEpochs = 3, race: s.Race = False,
    phi: o.Phi = "0:3",
    seeds: int = typer.Option(3, "--seeds", min=1, help="trainings of the base and each baseline"),
    baselines: bool = typer.Option(True, help="train MobileNetV2 and EfficientNet-B0 beside it"),
    formats: o.Format = "spec,onnx,safetensors",
    recipe: o.Recipe = "fast", set_: o.Set = None, epochs: o.Epochs = None,
    workers: o.Workers = None, ray: o.Ray = None, cpus: o.Cpus = None, gpus: o.Gpus = None,
    retries: o.Retries = None, loaders: o.Loaders = None,
    seed: o.Seed = 0, device: o.Device = "auto",
    deterministic: o.Deterministic = False, track: o.Track = None, json: o.Json = False,
) -> None:
    """Does it all: searches, scales, trains, compares, exports. Run again, it continues."""
    from experiments.aims import read_aim
    from experiments.parallel.request import PlacementRequest
    from experiments.render import print_json, print_report
    from experiments.report import report_document
    from experiments.requests import data_request, grid_plan, run_plan, search_request
    from experiments.run import run_all

    aim = read_aim(
        target_macs, target=target, cost=cost, objective=objective, exponent=exponent,
        at_most=at_most, front_cost=front_cost, front_range=front_range, table=table,
    )  # fmt: skip
    asked = search_request(
        aim, space=space, resolution=resolution, width=width, sampler=sampler, trials=trials,
        time=time, train_time=train_time, trial_time=trial_time,
        random_baseline=random_baseline, warm_start=warm_start, confirm=confirm,
        epochs=search_epochs, halving=halving, rungs=rungs, reduction=reduction, ceiling=ceiling,
        storage=storage,
    )  # fmt: skip
    rounding = s.RoundingOptions(divisor, ninety_percent, fixed_ends, late_layers)
    grid = grid_plan(
        alpha=alpha, beta=beta, gamma=gamma, step=step, tolerance=tolerance,
        candidates=candidates, seeds=grid_seeds, epochs=grid_epochs, constraint=constraint,
        rounding=rounding.applied(ROUNDING), race=race,
    )  # fmt: skip
    plan = run_plan(grid, phi=phi, seeds=seeds, baselines=baselines, formats=formats)
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, epochs=epochs, loaders=loaders, deterministic=deterministic, track=track,
        placement=PlacementRequest(workers, ray, cpus, gpus, retries),
    )  # fmt: skip
    with opened(request, out, json, asked) as session:
        run_all(session, plan)
        document = report_document(session.folder)
    print_json(document) if json else print_report(document)
# fmt: on


for name, command in {**searching.COMMANDS, **making.COMMANDS, **inspection.COMMANDS}.items():
    app.command(name)(command)
app.add_typer(benching.app, name="bench")
app.add_typer(clustering.app, name="cluster")
app.add_typer(serving.app, name="storage")


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
