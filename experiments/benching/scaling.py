"""`nas bench scaling`: one dimension against another, and against all three, at counted MACs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from experiments import options as o
from experiments import scale_options as so
from experiments.grouping import grouped
from experiments.opening import reporting
from experiments.option_groups import PlacementOptions
from search_spaces.errors import InputError

__all__ = ["COMMANDS"]

Study = Annotated[
    str,
    typer.Option("--study", help="single, interaction, compound, baselines, with commas, or all"),
]
Bases = Annotated[
    list[str] | None,
    typer.Option("--base", metavar="ARCH", help="what is scaled; again for more [the study's]"),
]
Ratios = Annotated[
    str | None, typer.Option("--ratios", help="MACs over the base's, as 2,4,8 [the study's]")
]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="trainings of each network")]
ConstantsOf = Annotated[
    str, typer.Option("--constants", metavar="A,B,G", help="α, β, γ of compound scaling")
]
BaseMacs = Annotated[
    str | None, typer.Option("--target-macs", help="bring every base to these MACs first, as 2M")
]
Keep = Annotated[
    Path | None, typer.Option("--keep", metavar="FILE", help="what is done; run again, it goes on")
]
Figure = Annotated[
    Path | None, typer.Option("--figure", metavar="FILE", help="accuracy against MACs, as HTML")
]
Page = Annotated[
    Path | None, typer.Option("--page", metavar="FILE", help="docs page to put the tables into")
]


# fmt: off
@grouped
def scaling(
    *, data: o.Data, study: Study = "all", base: Bases = None, ratios: Ratios = None,
    constants: ConstantsOf = "1.2,1.1,1.15", seeds: Seeds = 3,
    resolution: o.Resolution = None, max_stride: o.MaxStride = None, target_macs: BaseMacs = None,
    divisor: so.Divisor = None, fixed_ends: so.FixedEnds = None,
    limit: o.Limit = None, image_size: o.ImageSize = None,
    recipe: o.Recipe = "fast", set_: o.Set = None, epochs: o.Epochs = None,
    placed: PlacementOptions, loaders: o.Loaders = None,
    seed: o.Seed = 0, device: o.Device = "auto",
    keep: Keep = None, figure: Figure = None, page: Page = None, json: o.Json = False,
) -> None:
    """Trains bases scaled by one dimension and by all, at counted MACs; says which is ahead."""
    from experiments.amounts import parse_count
    from experiments.bench.scaling import ScalingBench, bench_scaling
    from experiments.requests import data_request
    from experiments.scale_options import RoundingOptions
    from scaling.compound import Constants
    from scaling.studies import STUDIES

    asked = ScalingBench(
        tuple(STUDIES) if study == "all" else tuple(study.split(",")), tuple(base or ()),
        _numbers(ratios), seeds, Constants.parse(constants),
        RoundingOptions(divisor=divisor, fixed_ends=fixed_ends), resolution, max_stride,
        None if target_macs is None else parse_count(target_macs, what="--target-macs"),
        keep, figure, page,
    )
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, epochs=epochs, loaders=loaders,
        placement=placed.request(),
    )
    with reporting(json) as reporter:
        document = bench_scaling(asked, request, reporter)
    _show(document, json)
# fmt: on


def _numbers(text: str | None) -> tuple[float, ...]:
    if text is None:
        return ()
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--ratios {text!r}: numbers are wanted, as in 2,4,8") from None


def _show(document: dict[str, Any], json: bool) -> None:
    from experiments.render import print_bench, print_json, print_lines

    if json:
        print_json(document)
        return
    if document["points"]:
        print_bench({"scaling": document["points"]})
    print_lines(document["verdicts"])


COMMANDS: Mapping[str, Callable[..., None]] = {"scaling": scaling}
