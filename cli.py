"""The `nas` command: parses and wires. Heavy imports wait until a command needs them."""

from __future__ import annotations

import os
import sys

import typer

from experiments import clustering, inspection, making, searching, serving
from experiments import options as o
from experiments import scale_options as s
from experiments.benching import app as benching
from experiments.grouping import grouped
from experiments.opening import opened
from experiments.option_groups import AimOptions, GridOptions, PlacementOptions, SearchOptions
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
@grouped
def run(
    *, data: o.Data, out: o.Out, limits: AimOptions,
    limit: o.Limit = None, image_size: o.ImageSize = None, searched: SearchOptions,
    scaled: GridOptions, rounding: s.RoundingOptions,
    candidates: o.Candidates = 8, phi: o.Phi = "0:3",
    seeds: int = typer.Option(3, "--seeds", min=1, help="trainings of the base and each baseline"),
    baselines: bool = typer.Option(True, help="train MobileNetV2 and EfficientNet-B0 beside it"),
    formats: o.Format = "spec,onnx,safetensors",
    recipe: o.Recipe = "fast", set_: o.Set = None, epochs: o.Epochs = None,
    placed: PlacementOptions, loaders: o.Loaders = None,
    seed: o.Seed = 0, device: o.Device = "auto",
    deterministic: o.Deterministic = False, track: o.Track = None, json: o.Json = False,
) -> None:
    """Does it all: searches, scales, trains, compares, exports. Run again, it continues."""
    from experiments.render import print_json, print_report
    from experiments.report import report_document
    from experiments.requests import data_request, run_plan
    from experiments.run import run_all

    asked = searched.request(limits.read())
    grid = scaled.plan(candidates, rounding.applied(ROUNDING))
    plan = run_plan(grid, phi=phi, seeds=seeds, baselines=baselines, formats=formats)
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, epochs=epochs, loaders=loaders, deterministic=deterministic, track=track,
        placement=placed.request(),
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
