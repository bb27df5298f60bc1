"""What a command asks of a search, resolved against data, space, device and recipe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.addresses import Address
from experiments.aims import Aim, file_digest
from experiments.config import SearchConfig
from experiments.costing import costing_of
from experiments.data import ImageData
from experiments.device import Device
from experiments.hinting import read_hints
from experiments.progressive import make_stages
from experiments.recipes import Recipe
from experiments.rungs import resolve_rungs, rung_amounts
from experiments.space_files import read_space
from experiments.warm_start import read_earlier
from nas.costs import Costing, amount
from nas.objective import FRONT
from nas.samplers import FRONT_SAMPLERS, sampler_factory
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space

__all__ = ["HalvingRequest", "SearchRequest", "search_config"]


@dataclass(frozen=True, slots=True)
class HalvingRequest:
    """Says what of a training is divided into rungs; None: as many as fit, up to three."""

    over: str
    rungs: int | None = None
    reduction: int = 3


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Says what is searched for; None leaves a value to its default."""

    aim: Aim
    space: str = "mixed"
    resolution: int | None = None
    width: float = 1.0
    sampler: str = "greybox"
    trials: int = 30
    seconds: float | None = None
    train_seconds: float | None = None
    trial_seconds: float | None = None
    seeds: int = 1
    random_baseline: bool = False
    warm_start: Path | None = None
    hints: str | None = None
    hints_first: int = 0
    confirm: int = 3
    epochs: int = 4
    halving: HalvingRequest | None = None
    ceiling: float | None = None
    storage: Address | None = None


def search_config(
    request: SearchRequest,
    data: ImageData,
    stored: SearchConfig | None,
    *,
    device: Device,
    recipe: Recipe,
) -> SearchConfig:
    """Resolves a search; raises `InputError` for whatever it names that does not exist."""
    sampler_factory(request.sampler)
    for name, least in (("trials", 1), ("confirm", 0), ("epochs", 1), ("seeds", 1)):
        if getattr(request, name) < least:
            raise InputError(f"{name} is {getattr(request, name)}; it must be at least {least}")
    asked = read_space(request.space, stored)
    space = make_space(
        asked,
        image_size=data.image_size,
        num_classes=data.num_classes,
        resolution=request.resolution,
        width=request.width,
    )
    config = SearchConfig(
        space=space.name,
        space_file=None if isinstance(asked, str) else request.space,
        definition=None if isinstance(asked, str) else asked.document(),
        resolution=space.skeleton.resolution,
        width=request.width,
        sampler=request.sampler,
        trials=request.trials,
        seconds=request.seconds,
        train_seconds=request.train_seconds,
        trial_seconds=request.trial_seconds,
        seeds=request.seeds,
        random_baseline=request.random_baseline,
        **_warmed(request, space),
        hints=read_hints(request.hints, sampler=request.sampler, first=request.hints_first),
        hints_first=request.hints_first,
        confirm=request.confirm,
        epochs=request.epochs,
        ceiling=request.ceiling,
        **_halved(request, data, space, recipe),
        **_aimed(request.aim),
    )
    costing = _check_aim(request.aim, config, space, device=device, recipe=recipe)
    return config.model_copy(update={"front_range": _front_range(request, costing)})


def _front_range(request: SearchRequest, costing: Costing) -> tuple[float, float] | None:
    """Returns the costs of the front that is searched for: what was asked, as far as it is there.

    None where a reward is maximised. Raises `InputError` where the sampler only does that, where no
    network lies in the range, and for a range that has to be known and is not.
    """
    aim = request.aim
    if aim.objective != FRONT:
        return None
    if request.sampler not in FRONT_SAMPLERS:
        raise InputError(
            f"sampler {request.sampler} maximises one reward; "
            f"those for --objective front are {', '.join(FRONT_SAMPLERS)}"
        )
    if request.halving is not None or request.ceiling is not None:
        what = "--ceiling" if request.halving is None else "--halving"
        raise InputError(f"{what} compares trials by one reward, and --objective front has none")
    reach = costing.reach(aim.cost)
    if reach is None:
        if aim.front_range is None:
            raise InputError(
                f"--front-range LOW:HIGH is missing: {aim.cost} is measured, and what the space "
                "reaches is not known before (a --table tells it)"
            )
        return aim.front_range
    low, high = aim.front_range or reach
    high = min(high, aim.limits.get(aim.cost, high), reach[1])
    if not max(low, reach[0]) < high:
        raise InputError(
            f"no two networks of space {costing.space.name!r} lie from {amount(aim.cost, low)} to "
            f"{amount(aim.cost, high)}; it reaches {amount(aim.cost, reach[0])} to "
            f"{amount(aim.cost, reach[1])}"
        )
    return (max(low, reach[0]), high)


def _warmed(request: SearchRequest, space: SearchSpace) -> dict[str, Any]:
    """Returns what run.toml says of the run that a search learns from."""
    path = request.warm_start
    if path is None:
        return {}
    earlier = read_earlier(path, space, sampler=request.sampler)
    return {"warm_start": str(path.expanduser().resolve()), "warm_digest": earlier.digest}


def _halved(
    request: SearchRequest, data: ImageData, space: SearchSpace, recipe: Recipe
) -> dict[str, Any]:
    """Returns what run.toml says of successive halving; raises `InputError` where none fits."""
    asked = request.halving
    if asked is None:
        return {}
    images, side = len(data.train), space.skeleton.resolution
    rooms = {
        "epochs": (request.epochs, 1),
        "image-size": (side, space.skeleton.total_stride),
        "data": (images, max(recipe.batch_size, data.num_classes)),
    }
    full, least = rooms[asked.over]
    halving = resolve_rungs(asked.over, asked.rungs, asked.reduction, full=full, least=least)
    if asked.over == "image-size":
        for small in rung_amounts(asked.over, side, halving):
            make_stages(recipe, resolution=small, images=images)
    return {"halving": asked.over, "rungs": halving.rungs, "reduction": halving.reduction}


def _aimed(aim: Aim) -> dict[str, Any]:
    """Returns what run.toml says of an aim."""
    exponent = None if aim.plugin else aim.reward().resolved_exponent
    return {
        "target": aim.target,
        "cost": aim.cost,
        "objective": aim.objective,
        "objective_digest": aim.plugin_digest,
        "exponent": exponent,
        "limits": dict(aim.limits),
        "front_cost": aim.front_cost,
        "table": None if aim.table is None else str(aim.table),
        "table_digest": file_digest(aim.table) if aim.table and aim.table.is_file() else "",
    }


def _check_aim(
    aim: Aim, config: SearchConfig, space: SearchSpace, *, device: Device, recipe: Recipe
) -> Costing:
    """Returns what tells costs; raises `InputError` for aims that make no sense."""
    if aim.target is not None and aim.cost == "macs":
        space.check_target(aim.target)
    costing = costing_of(config, space, device=device, batch=recipe.batch_size)
    costing.check(aim.cost, aim.target)
    counted = cost(space.skeleton, batch=recipe.batch_size)
    costs = {
        "macs": counted.macs,
        "params": counted.params,
        "train_memory": counted.train_memory_bytes,
        **dict.fromkeys(costing.meters, 1e-3),
    }
    aim.reward().reward(0.5, costs)
    return costing
