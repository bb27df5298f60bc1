"""From the command's words to requests: amounts, ranges and overrides are read here."""

from __future__ import annotations

from pathlib import Path

from experiments.addresses import parse_address
from experiments.aims import Aim
from experiments.amounts import parse_range, parse_seconds
from experiments.export import parse_formats
from experiments.parallel.request import HERE, PlacementRequest
from experiments.prepare import DataRequest
from experiments.recipes import parse_overrides
from experiments.run import RunPlan
from experiments.rungs import check_fidelity
from experiments.scale_step import GridPlan
from experiments.search_request import HalvingRequest, SearchRequest
from experiments.tracking import parse_trackers
from scaling.family import parse_phis
from scaling.grid import GridRange, nominal_points
from search_spaces.errors import InputError
from search_spaces.resize import ROUNDING, Rounding

__all__ = ["data_request", "grid_plan", "run_plan", "search_request"]


def data_request(
    source: str,
    *,
    limit: int | None = None,
    image_size: int | None = None,
    seed: int = 0,
    device: str = "auto",
    recipe: str = "fast",
    overrides: list[str] | None = None,
    epochs: int | None = None,
    loaders: int | None = None,
    placement: PlacementRequest = HERE,
    deterministic: bool = False,
    track: list[str] | None = None,
) -> DataRequest:
    """Reads which data and which recipe; `epochs` is one more override."""
    trackers = parse_trackers(track or [])
    values = parse_overrides(overrides or [])
    if epochs is not None:
        values["epochs"] = epochs
    return DataRequest(
        source, limit, image_size, seed, device, recipe, values, loaders,
        deterministic=deterministic, track=trackers, placement=placement,
    )  # fmt: skip


def search_request(
    aim: Aim,
    *,
    space: str,
    resolution: int | None,
    width: float,
    sampler: str,
    trials: int,
    time: str | None,
    train_time: str | None,
    trial_time: str | None,
    random_baseline: bool,
    warm_start: Path | None,
    confirm: int,
    epochs: int,
    seeds: int = 1,
    hints: str | None = None,
    hints_first: int = 0,
    halving: str | None = None,
    rungs: int | None = None,
    reduction: int | None = None,
    ceiling: float | None = None,
    storage: str | None = None,
) -> SearchRequest:
    """Reads what is searched for."""
    return SearchRequest(
        aim,
        space=space,
        resolution=resolution,
        width=width,
        sampler=sampler,
        trials=trials,
        seconds=_seconds(time, "--time"),
        train_seconds=_seconds(train_time, "--train-time"),
        trial_seconds=_seconds(trial_time, "--trial-time"),
        random_baseline=random_baseline,
        warm_start=warm_start,
        confirm=confirm,
        epochs=epochs,
        seeds=seeds,
        hints=hints,
        hints_first=hints_first,
        halving=_halving(halving, rungs, reduction),
        ceiling=_ceiling(ceiling, halving),
        storage=None if storage is None else parse_address(storage),
    )


def _halving(over: str | None, rungs: int | None, reduction: int | None) -> HalvingRequest | None:
    if over is not None:
        return HalvingRequest(check_fidelity(over), rungs, 3 if reduction is None else reduction)
    for name, value in (("--rungs", rungs), ("--reduction", reduction)):
        if value is not None:
            raise InputError(f"{name} needs --halving, which says what is divided into rungs")
    return None


def _ceiling(accuracy: float | None, halving: str | None) -> float | None:
    """Returns the highest accuracy possible; with halving that is 1, unless something is said."""
    if accuracy is not None and not 0 < accuracy <= 1:
        raise InputError(f"--ceiling is {accuracy:g}; an accuracy is above 0 and at most 1")
    return 1.0 if accuracy is None and halving is not None else accuracy


def _seconds(text: str | None, what: str) -> float | None:
    return None if text is None else parse_seconds(text, what=what)


def grid_plan(
    *,
    alpha: str,
    beta: str,
    gamma: str,
    step: float,
    tolerance: float,
    candidates: int | None,
    seeds: int,
    epochs: int,
    constraint: str = "nominal",
    rounding: Rounding = ROUNDING,
    race: bool = False,
) -> GridPlan:
    """Reads which grid is trained; raises `InputError` for one that no point is left of.

    Under the constraint `counted` only a base tells whether one is.
    """
    grid = GridRange(
        alpha=parse_range(alpha, what="--alpha"),
        beta=parse_range(beta, what="--beta"),
        gamma=parse_range(gamma, what="--gamma"),
        step=step,
        tolerance=tolerance,
        constraint=constraint,  # type: ignore[arg-type]  # GridRange refuses another
    )
    if constraint == "nominal":
        nominal_points(grid)
    plan = GridPlan(
        grid, epochs=epochs, count=candidates, seeds=seeds, rounding=rounding, race=race
    )
    if race and candidates is not None:
        plan.as_race().check(candidates)
    return plan


def run_plan(grid: GridPlan, *, phi: str, seeds: int, baselines: bool, formats: str) -> RunPlan:
    """Reads what follows a search."""
    return RunPlan(grid, parse_phis(phi), seeds, baselines, parse_formats(formats))
