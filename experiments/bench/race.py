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
from experiments.session import Session
from experiments.store import RunFolder
from scaling.grid import Candidate, GridResult, grid_score
from scaling.surface import paired_deviation
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec

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
            name, whole = Path(base).stem, replace(plan, race=False)
            raced = _trained(session, spec, plan, f"{name}: race")
            found = race_row(raced, _trained(session, spec, whole, f"{name}: the whole grid"))
        rows.append({"base": name, **found})
    return rows


def _trained(session: Session, spec: ArchSpec, plan: GridPlan, step: str) -> Outcome:
    session.reporter.plan(grid_work(session, spec, plan))
    session.reporter.step(step)
    return run_grid(session, spec, plan)


def race_row(raced: Outcome, whole: Outcome, target_ratio: float = 2.0) -> dict[str, Any]:
    """Compares a race with the grid trained in full, by the grid's mean scores.

    `error` is the standard error of a candidate's mean there, from the paired deviation of all
    candidates; `winner's error` is the winner's own deviation over the root of its seeds. `leader`
    is the race's best expected, of which the pick may be a cheaper equal.
    """
    table = [_scores(result, target_ratio) for result in _usable(whole)]
    means = [statistics.fmean(scores) for scores in table]
    best = max(range(len(means)), key=lambda index: means[index])
    pick = raced.best.candidate
    index = _place(whole, pick)
    leader = raced.candidates[raced.decision.leader] if raced.decision else pick
    own = statistics.stdev(table[best]) if len(table[best]) > 1 else math.nan
    roots = math.sqrt(len(table[best]))
    return {
        "candidates": len(means),
        "trainings": len(raced.trainings),
        "of": len(whole.trainings),
        "MACs share": round(raced.share, 3),
        "seconds share": round(_seconds(raced.results) / _seconds(whole.results), 3),
        "race picks": named(pick),
        "grid's best": named(_usable(whole)[best].candidate),
        "regret": round(means[best] - means[index], 4),
        "regret of the leader": round(means[best] - means[_place(whole, leader)], 4),
        "winner's error": round(own / roots, 4),
        "error": round(paired_deviation(np.array(table)) / roots, 4),
        "rank": 1 + sum(mean > means[index] for mean in means),
        "mean regret of all": round(means[best] - statistics.fmean(means), 4),
        "tied": len(raced.tied_with),
    }


def _usable(whole: Outcome) -> list[GridResult]:
    return [result for result in whole.results if result.n]


def _place(whole: Outcome, candidate: Candidate) -> int:
    """Returns which of the usable results is a candidate's."""
    return [result.candidate for result in _usable(whole)].index(candidate)


def _scores(result: GridResult, target_ratio: float) -> list[float]:
    ratio = result.candidate.macs_ratio
    return [grid_score(a, ratio, target_ratio=target_ratio) for a in result.accuracies]


def _seconds(results: Sequence[GridResult]) -> float:
    return sum(result.seconds for result in results)
