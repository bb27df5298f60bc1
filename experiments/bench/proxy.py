"""`nas bench proxy`: random networks trained by a search's proxy and by the full recipe."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.data import ImageData
from experiments.device import Device, pick_device
from experiments.fidelity import Fidelity, Plan, train_all
from experiments.parallel.cluster import disconnecting
from experiments.parallel.placement import Placement
from experiments.prepare import DataRequest, load_requested
from experiments.progress import Reporter
from experiments.recipes import Recipe, load_recipe
from experiments.score_images import score_batch
from experiments.search_step import typical_spec
from experiments.session import Session
from experiments.space_files import read_space, space_of
from experiments.store import EvaluationLog
from experiments.trust import trust_rows, trust_seconds, verdict, whole
from nas.search import derive_seed
from nas.zero_cost import check_scores, scores_of
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec

__all__ = ["ProxyOptions", "check_proxy", "check_run", "draw_networks"]

REACH = 2.0  # networks of target/2 to target·2 MACs are those that a search trains
FEWEST = 3
SCORED_IMAGES = 32
MOST_DRAWS = 64  # networks looked at for each that is asked for, before a space counts as small


@dataclass(frozen=True, slots=True)
class ProxyOptions:
    """Says how many networks are trained, and what of the proxy differs from the full recipe.

    `scores` are zero-cost ones that are compared too. `keep` is a file of JSON lines.
    """

    networks: int = 20
    seeds: int = 2
    scores: tuple[str, ...] = ()
    space: str = "mixed"
    resolution: int | None = None
    width: float = 1.0
    target_macs: float | None = None
    proxy_epochs: int = 3
    proxy_limit: int | None = None
    proxy_resolution: int | None = None
    keep: Path | None = None

    def check(self) -> None:
        """Raises `InputError` for too few networks or seeds, or an unknown score."""
        if self.networks < FEWEST:
            raise InputError(f"{self.networks} networks have no order; --networks is at least 3")
        if self.seeds < 1:
            raise InputError(f"--seeds is {self.seeds}; it must be at least 1")
        if self.scores:
            check_scores(self.scores)


def draw_networks(
    space: SearchSpace, count: int, *, target_macs: float | None, seed: int
) -> tuple[ArchSpec, ...]:
    """Draws distinct networks of a space, or of those of half to twice `target_macs`.

    Raises `InputError` where there are fewer.
    """
    rng = np.random.default_rng(derive_seed(seed, "proxy"))
    if target_macs is None:
        drawn = space.sample_encoded(rng, MOST_DRAWS * count)
    else:
        space.check_target(target_macs)
        window = space.window(target_macs / REACH, target_macs * REACH)
        drawn = window.sample(rng, MOST_DRAWS * count)
    _, first = np.unique(space.canonical(drawn), axis=0, return_index=True)
    encoded = drawn[np.sort(first)[:count]]
    if len(encoded) < count:
        raise InputError(f"only {len(encoded)} distinct networks were found; {count} were asked")
    specs = space.decode_many(encoded)
    return tuple(replace(spec, name=f"network {n}") for n, spec in enumerate(specs, 1))


def _short(recipe: Recipe, epochs: int) -> Recipe:
    """Returns the recipe of a search's evaluation: that many epochs, validated at the end."""
    return recipe.model_copy(update={"epochs": epochs, "patience": 0})


def _fits(recipe: Recipe, data: ImageData, what: str) -> None:
    if len(data.train) < recipe.batch_size:
        raise InputError(
            f"{what}: {len(data.train)} training images are fewer than one batch of "
            f"{recipe.batch_size}; use more images or a smaller --set batch_size"
        )


def check_proxy(options: ProxyOptions, request: DataRequest, reporter: Reporter) -> dict[str, Any]:
    """Trains random networks by both; returns the document of what agrees with what.

    Raises `InputError` for options that do not fit.
    """
    options.check()
    recipe, device = load_recipe(request.recipe, request.overrides), pick_device(request.device)
    data = load_requested(request)
    space = make_space(
        read_space(options.space), image_size=data.image_size, num_classes=data.num_classes,
        resolution=options.resolution, width=options.width,
    )  # fmt: skip
    side = space.skeleton.resolution
    limit = options.proxy_limit
    shorter = data if limit is None else load_requested(replace(request, limit=limit))
    proxy = Fidelity(
        shorter, _short(recipe, options.proxy_epochs), options.proxy_resolution or side, False
    )
    _fits(recipe, shorter, "the proxy")
    specs = draw_networks(
        space, options.networks, target_macs=options.target_macs, seed=request.seed
    )
    plan = Plan(specs, proxy, Fidelity(data, recipe, side, True), options.seeds, request.seed)
    log = EvaluationLog(options.keep)
    with disconnecting():
        placement = request.placement.resolve(wants_gpu=device.is_cuda)
        return _document(
            plan, options.scores, space.name, log, device, reporter,
            loaders=request.loaders, placement=placement,
        )  # fmt: skip


def check_run(options: ProxyOptions, session: Session) -> dict[str, Any]:
    """Does the same with the space, data, recipe and epochs of a run; writes its proxy.json.

    The networks have half to twice the run's target of MACs, or a typical network's where it has
    none. Trainings are kept in the run's own log. Raises `InputError` for a run that searched
    nothing.
    """
    options.check()
    asked = session.config.search
    if asked is None:
        raise InputError(f"{session.folder.path}: nothing was searched in this run folder")
    space = space_of(asked, num_classes=session.data.num_classes)
    data, recipe, seed = session.data, session.config.recipe, session.config.seed
    target = asked.target if asked.cost == "macs" else None
    target = target or cost(typical_spec(session)).macs
    specs = draw_networks(space, options.networks, target_macs=target, seed=seed)
    side = space.skeleton.resolution
    proxy = Fidelity(data, session.short_recipe(asked.epochs), side, False)
    plan = Plan(specs, proxy, Fidelity(data, recipe, side, True), options.seeds, seed)
    with session.folder.timed("proxy"):
        document = _document(
            plan, options.scores, space.name, session.log, session.device, session.reporter,
            loaders=session.loaders, placement=session.placement,
        )  # fmt: skip
    session.folder.write_json(session.folder.proxy_path, document)
    return document


def _document(
    plan: Plan,
    scores: Sequence[str],
    space: str,
    log: EvaluationLog,
    device: Device,
    reporter: Reporter,
    *,
    loaders: int | None,
    placement: Placement | None,
) -> dict[str, Any]:
    networks = train_all(plan, log, device, reporter, loaders=loaders, placement=placement)
    if scores:
        _score(plan, networks, scores, device)
    rows, seconds = trust_rows(networks), trust_seconds(networks)
    return {
        "space": space,
        "proxy": _described(plan.proxy),
        "full": _described(plan.full),
        "seeds": plan.seeds,
        "seed": plan.seed,
        "agreement": rows,
        "seconds": seconds,
        "failed": len(networks) - len(whole(networks)),
        "verdict": verdict(rows, seconds),
        "networks": networks,
    }


def _described(fidelity: Fidelity) -> dict[str, Any]:
    return {
        "epochs": fidelity.recipe.epochs,
        "resolution": fidelity.resolution,
        "images": len(fidelity.data.train),
        "measured_on": "test" if fidelity.is_full else "validation",
        "recipe": fidelity.recipe.digest,
    }


def _score(
    plan: Plan, networks: list[dict[str, Any]], names: Sequence[str], device: Device
) -> None:
    """Writes zero-cost scores into the networks' rows; −∞ is None, for JSON."""
    data, side = plan.full.data, plan.full.resolution
    count = min(SCORED_IMAGES, len(data.train))
    batch = score_batch(data, count, resolution=side, device=device, seed=plan.seed)
    specs = [plan.full.placed(spec) for spec in plan.specs]
    found = scores_of(specs, names, batch, num_classes=data.num_classes, seed=plan.seed)
    for row, values in zip(networks, found.tolist(), strict=True):
        known = (value if math.isfinite(value) else None for value in values)
        row["scores"] = dict(zip(names, known, strict=True))
