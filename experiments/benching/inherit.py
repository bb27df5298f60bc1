"""`nas bench inherit`: a member trained from scratch and from its base's weights."""

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

Base = Annotated[str, typer.Option("--base", metavar="ARCH", help="the network that is scaled")]
Near = Annotated[
    str | None,
    typer.Option("--target-macs", help="bring the base to these MACs first (its own classes)"),
]
Phi = Annotated[float, typer.Option("--phi", help="of the member")]
Constants = Annotated[str, typer.Option("--constants", help="α,β,γ")]
Seeds = Annotated[int, typer.Option("--seeds", min=1, help="trainings of each")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="training images [all]")]
Shares = Annotated[str, typer.Option("--shares", help="of the epochs, for those that inherit")]
HeirSet = Annotated[
    list[str] | None,
    typer.Option("--inherit-set", metavar="KEY=VALUE", help="recipe value of those that inherit"),
]
Keep = Annotated[
    Path, typer.Option("--keep", metavar="FOLDER", help="what is done; run again, it goes on")
]


def inherit(
    base: Base,
    data: o.Data,
    keep: Keep,
    target_macs: Near = None,
    phi: Phi = 1.0,
    constants: Constants = "1.2,1.1,1.15",
    seeds: Seeds = 3,
    shares: Shares = "0.5,0.25",
    inherit_set: HeirSet = None,
    resolution: o.Resolution = None,
    max_stride: o.MaxStride = None,
    limit: Limit = None,
    image_size: o.ImageSize = None,
    recipe: o.Recipe = "fast",
    set_: o.Set = None,
    epochs: o.Epochs = None,
    loaders: o.Loaders = None,
    seed: o.Seed = 0,
    device: o.Device = "auto",
    json: o.Json = False,
) -> None:
    """Trains a member from scratch and from its base's weights; says what training that saves."""
    from experiments.amounts import parse_count
    from experiments.arch import adapted, resolve_arch
    from experiments.bench.inherit import InheritOptions, bench_inherit
    from experiments.recipes import parse_overrides
    from experiments.requests import data_request
    from scaling.compound import Constants
    from scaling.fit import fit_macs

    spec = adapted(resolve_arch(base).spec, resolution=resolution, max_stride=max_stride)
    if target_macs is not None:
        spec = fit_macs(spec, parse_count(target_macs, what="--target-macs"))
    options = InheritOptions(
        spec, Constants.parse(constants), keep, phi=phi, seeds=seeds, shares=_shares(shares),
        overrides=parse_overrides(inherit_set or []),
    )  # fmt: skip
    request = data_request(
        data, limit=limit, image_size=image_size, seed=seed, device=device, recipe=recipe,
        overrides=set_, epochs=epochs, loaders=loaders,
    )  # fmt: skip
    with reporting(json) as reporter:
        rows = bench_inherit(options, request, reporter)
    show_rows("inherit", rows, json)


def _shares(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--shares {text!r}: numbers are wanted, as in 0.5,0.25") from None


COMMANDS: Mapping[str, Callable[..., None]] = {"inherit": inherit}
