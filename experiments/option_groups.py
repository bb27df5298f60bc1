"""Options that belong together and that several commands have: what they say is read here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from experiments import options as o
from experiments import scale_options as s

if TYPE_CHECKING:
    from experiments.aims import Aim
    from experiments.parallel.request import PlacementRequest
    from experiments.scale_step import GridPlan
    from experiments.search_request import SearchRequest
    from search_spaces.resize import Rounding

__all__ = ["AimOptions", "GridOptions", "PlacementOptions", "SearchOptions"]


@dataclass(frozen=True, slots=True)
class PlacementOptions:
    """Says where trainings run, and how many at once."""

    workers: o.Workers = None
    ray: o.Ray = None
    cpus: o.Cpus = None
    gpus: o.Gpus = None
    retries: o.Retries = None

    def request(self) -> PlacementRequest:
        """Returns what was asked for; raises `InputError` for a share of no parallel training."""
        from experiments.parallel.request import PlacementRequest  # noqa: PLC0415 (heavy)

        return PlacementRequest(self.workers, self.ray, self.cpus, self.gpus, self.retries)


@dataclass(frozen=True, slots=True)
class AimOptions:
    """Says what accuracy is weighed against, and what no network may cost."""

    target_macs: o.Target = None
    target: o.TargetOf = None
    cost: o.Cost = None
    at_most: o.AtMost = None
    front_cost: o.FrontCost = None
    front_range: o.FrontRange = None
    table: o.Table = None
    objective: o.Objective = "soft"
    exponent: o.Exponent = None

    def read(self) -> Aim:
        """Returns the aim; raises `InputError` for amounts that are none."""
        from experiments.aims import read_aim  # noqa: PLC0415 (heavy)

        return read_aim(
            self.target_macs, target=self.target, cost=self.cost, objective=self.objective,
            exponent=self.exponent, at_most=self.at_most, front_cost=self.front_cost,
            front_range=self.front_range, table=self.table,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SearchOptions:
    """Says which space is searched, by which sampler, and for how long."""

    space: o.Space = "mixed"
    resolution: o.Resolution = None
    width: o.Width = 1.0
    sampler: o.Sampler = "greybox"
    trials: o.Trials = 30
    time: o.Time = None
    train_time: o.TrainTime = None
    trial_time: o.TrialTime = None
    random_baseline: o.RandomBaseline = False
    warm_start: o.WarmStart = None
    confirm: o.Confirm = 3
    search_epochs: o.SearchEpochs = 3
    halving: o.Halving = None
    rungs: o.Rungs = None
    reduction: o.Reduction = None
    ceiling: o.Ceiling = None
    storage: o.Storage = None

    def request(
        self, aim: Aim, *, seeds: int = 1, hints: str | None = None, hints_first: int = 0
    ) -> SearchRequest:
        """Returns the search for an aim; raises `InputError` for what cannot be asked."""
        from experiments.requests import search_request  # noqa: PLC0415 (heavy)

        return search_request(
            aim, space=self.space, resolution=self.resolution, width=self.width,
            sampler=self.sampler, trials=self.trials, time=self.time, train_time=self.train_time,
            trial_time=self.trial_time, random_baseline=self.random_baseline,
            warm_start=self.warm_start, confirm=self.confirm, epochs=self.search_epochs,
            halving=self.halving, rungs=self.rungs, reduction=self.reduction,
            ceiling=self.ceiling, seeds=seeds, hints=hints, hints_first=hints_first,
            storage=self.storage,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class GridOptions:
    """Says which scaling constants are tried, and how each is trained."""

    alpha: o.Alpha = "1:2"
    beta: o.Beta = "1:1.5"
    gamma: o.Gamma = "1:1.5"
    step: o.Step = 0.05
    tolerance: o.Tolerance = 0.1
    constraint: s.Constraint = "nominal"
    grid_seeds: o.GridSeeds = 1
    grid_epochs: o.GridEpochs = 3
    race: s.Race = False

    def plan(self, candidates: int | None, rounding: Rounding) -> GridPlan:
        """Returns the plan of the grid; raises `InputError` for one that no point is left of."""
        from experiments.requests import grid_plan  # noqa: PLC0415 (heavy)

        return grid_plan(
            alpha=self.alpha, beta=self.beta, gamma=self.gamma, step=self.step,
            tolerance=self.tolerance, constraint=self.constraint, candidates=candidates,
            seeds=self.grid_seeds, epochs=self.grid_epochs, rounding=rounding, race=self.race,
        )  # fmt: skip
