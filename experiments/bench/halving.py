"""Searches with and without successive halving, held against one another at equal training time."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.bench.timing import Rows
from experiments.prepare import DataRequest, start
from experiments.progress import Reporter
from experiments.search_request import HalvingRequest, SearchRequest
from experiments.search_step import run_search
from experiments.store import RunFolder
from experiments.studies.curves import Spent, curve_rows, search_curves
from experiments.studies.problems import make_problem
from nas.costs import Costing
from nas.halving import Halving
from nas.samplers import sampler_factory
from nas.samplers.known import known_networks

__all__ = ["HalvingBench", "bench_curves", "bench_halving"]


@dataclass(frozen=True, slots=True)
class HalvingBench:
    """Says what is searched, once whole and once with `halving`, with each of so many `seeds`.

    Every search is a run folder in `out`: what has finished there is not trained again.
    """

    data: DataRequest
    search: SearchRequest
    halving: HalvingRequest
    out: Path
    seeds: int


def bench_halving(asked: HalvingBench, reporter: Reporter) -> Rows:
    """Searches both ways with every seed; returns a row for each search, and one of the means.

    Raises `InputError` before anything is trained where the rungs do not fit.
    """
    rows = []
    reporter.plan(2 * asked.seeds)
    for seed in range(asked.data.seed, asked.data.seed + asked.seeds):
        for name, how in ((f"halving {asked.halving.over}", asked.halving), ("whole", None)):
            found = _searched(asked, how, seed, asked.out / f"seed{seed}-{name.replace(' ', '-')}")
            rows.append({"search": name, "seed": seed, **found})
            reporter.done(1, f"seed {seed}, {name}: reward {found['reward confirmed']}")
    return [*rows, *(_mean(rows, name) for name in dict.fromkeys(row["search"] for row in rows))]


def _searched(
    asked: HalvingBench, how: HalvingRequest | None, seed: int, path: Path
) -> dict[str, Any]:
    data, search = replace(asked.data, seed=seed), replace(asked.search, halving=how, ceiling=1.0)
    folder = RunFolder(path)
    with start(data, folder, Reporter(), search) as session:
        run_search(session)
    return _row(folder)


def _row(folder: RunFolder) -> dict[str, Any]:
    import pandas as pd  # noqa: PLC0415 (heavy, and only tables need it)

    trials = pd.read_parquet(folder.trials_path)
    trials = trials[trials["duplicate_of"].isna()]
    best = json.loads(folder.best_path.read_text())["result"]
    return {
        "trained whole": int((trials["state"] == "complete").sum()),
        "left": int((trials["state"] == "pruned").sum()),
        "not trained": int((trials["state"] == "refused").sum()),
        "training s": round(float(trials["seconds"].sum()), 1),
        "reward confirmed": round(float(best["reward"]), 4),
    }


def _mean(rows: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    mine = [row for row in rows if row["search"] == name]
    numbers = [key for key in mine[0] if key not in ("search", "seed")]
    means = {key: round(statistics.fmean(row[key] for row in mine), 4) for key in numbers}
    return {"search": name, "seed": "mean", **means}


def bench_curves(
    measured: Path, halving: Halving, *, sampler: str, seeds: int, budget: float, reporter: Reporter
) -> Rows:
    """Searches measured networks along made-up learning curves; returns what that takes and gets.

    `budget` is in whole trainings.
    """
    problem = make_problem("mnas", measured)
    known = known_networks(problem.objective, Costing(problem.space))
    make = sampler_factory(sampler, known=known)
    found: dict[bool, list[Spent]] = {False: [], True: []}
    reporter.plan(2 * seeds)
    for seed in range(seeds):
        for halved, mine in found.items():
            how = halving if halved else None
            mine.append(search_curves(problem, make, how, seed=seed, budget=budget))
            name = "halving" if halved else "whole"
            end = f"{mine[-1].trials} trials, regret {mine[-1].regret[-1]:.2f}%"
            reporter.done(1, f"seed {seed}, {name}: {end}")
    return curve_rows(found[False], found[True])
