"""Racing held against the exhaustive grid: what it spends, and how far its pick is from the best.

Both train through one log: the grid's trainings hold the race's long ones.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.arch import resolve_arch
from experiments.bench.timing import Rows
from experiments.grid_outcome import Outcome, named
from experiments.prepare import DataRequest, start
from experiments.progress import Reporter
from experiments.scale_options import AS_THE_BASE, RoundingOptions
from experiments.scale_step import GridPlan, candidates_of, grid_work, run_grid
from experiments.store import RunFolder
from scaling.grid import GridResult, grid_score
from scaling.surface import paired_deviation
from search_spaces.errors import InputError

__all__ = ["RaceBench", "bench_race", "race_row"]


@dataclass(frozen=True, slots=True)
class RaceBench:
    """Says which bases' grids are raced and trained in full, each in a run folder in `out`.

    What has finished there is not trained again. Bases are anything that is an ARCH. Raises
    `InputError` for none, or two of one name.
    """

    data: DataRequest
    bases: tuple[str, ...]
    plan: GridPlan
    out: Path
    rounding: RoundingOptions = AS_THE_BASE

    def __post_init__(self) -> None:
        names = [Path(base).stem for base in self.bases]
        if not names or len(set(names)) < len(names):
            raise InputError(
                f"--bases {','.join(self.bases)!r}: one or more of different names are wanted, "
                "as efficientnet_b0,mobilenetv2"
            )


def bench_race(asked: RaceBench, reporter: Reporter) -> Rows:
    """Races and trains in full the grid of every base; returns a row for each."""
    archs = [(base, resolve_arch(base)) for base in asked.bases]  # refuses before training
    rows = []
    for base, arch in archs:
        plan = replace(asked.plan, rounding=asked.rounding.applied(arch.rounding))
        with start(asked.data, RunFolder(asked.out / Path(base).stem), reporter) as session:
            spec = replace(arch.spec, num_classes=session.data.num_classes)
            if plan.count is None:
                plan = replace(plan, count=len(candidates_of(spec, plan)))
            plan.as_race().check(plan.count or 0)
            outcomes = []
            for raced in (True, False):
                each = replace(plan, race=raced)
                reporter.plan(grid_work(session, spec, each))
                reporter.step(f"{Path(base).stem}: {'race' if raced else 'the whole grid'}")
                outcomes.append(run_grid(session, spec, each))
        rows.append({"base": Path(base).stem, **race_row(*outcomes, plan.grid.product)})
    return rows


def race_row(raced: Outcome, whole: Outcome, target_ratio: float) -> dict[str, Any]:
    """Compares a race with the grid trained in full, by the grid's mean scores.

    `error` is the standard error of a candidate's mean there, from the paired deviation of all
    candidates; `winner's error` is the winner's own deviation over the root of its seeds.
    """
    table = [_scores(result, target_ratio) for result in whole.results if result.n]
    means = [statistics.fmean(scores) for scores in table]
    numbers = [number for number, result in enumerate(whole.results) if result.n]
    best = max(range(len(means)), key=lambda index: means[index])
    pick = raced.best.candidate
    index = next(i for i, n in enumerate(numbers) if whole.candidates[n] == pick)
    regret = means[best] - means[index]
    own = statistics.stdev(table[best]) if len(table[best]) > 1 else math.nan
    roots = math.sqrt(len(table[best]))
    return {
        "candidates": len(means),
        "trainings": len(raced.trainings),
        "of": len(whole.trainings),
        "MACs share": round(raced.share, 3),
        "seconds share": round(_seconds(raced.results) / _seconds(whole.results), 3),
        "race picks": named(pick),
        "grid's best": named(whole.candidates[numbers[best]]),
        "regret": round(regret, 4),
        "winner's error": round(own / roots, 4),
        "error": round(paired_deviation(np.array(table)) / roots, 4),
        "rank": 1 + sum(mean > means[index] for mean in means),
        "mean regret of all": round(means[best] - statistics.fmean(means), 4),
        "tied": len(raced.tied_with),
    }


def _scores(result: GridResult, target_ratio: float) -> list[float]:
    ratio = result.candidate.macs_ratio
    return [grid_score(a, ratio, target_ratio=target_ratio) for a in result.accuracies]


def _seconds(results: Sequence[GridResult]) -> float:
    return sum(result.seconds for result in results)
