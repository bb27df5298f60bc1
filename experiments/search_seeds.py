"""Several searches of the same budget: each with a seed and a study of its own, side by side.

A network's training seed follows from its search's seed, so two searches train a network that both
come to each for itself, and the deviation between their results holds the luck of trainings as well
as that of the sampler: it is what the next one who starts a search has to reckon with. The data
split, the zero-cost scores and the trainings that confirm are the same for all of them, as they are
no part of a search's luck.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.config import SearchConfig
from experiments.search_results import trial_rows
from experiments.search_trials import Searching, run_trials
from experiments.store import RunFolder
from nas.confirmation import Confirmed
from nas.search import SamplerFactory
from nas.trials import TrialRecord

__all__ = ["SeedSearch", "search_seeds", "write_seeds"]

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SeedSearch:
    """Holds the trials of one seed's search, numbered on from those of the seeds before it.

    `expected` are the rewards that the sampler's model expects of them, by number.
    """

    seed: int
    trials: list[TrialRecord]
    expected: dict[int, float]

    @property
    def trained(self) -> list[TrialRecord]:
        """Returns the trials that gave a network's accuracy first."""
        return [t for t in self.trials if t.evaluation and t.duplicate_of is None]


def _seeds_of(asked: SearchConfig, first: int) -> list[int]:
    """Lists the seeds of a run's searches."""
    return list(range(first, first + asked.seeds))


def _moved(trial: TrialRecord, by: int) -> TrialRecord:
    """Returns a trial with its number, and what it speaks of, moved on."""
    first = trial.duplicate_of
    return replace(
        trial, number=trial.number + by, duplicate_of=None if first is None else first + by
    )


def _rows(search: SeedSearch, *, named: bool) -> Rows:
    """Returns the rows of a table, with their search's seed where there are several."""
    own = {"search_seed": search.seed} if named else {}
    return [{**row, **own} for row in trial_rows(search.trials)]


def search_seeds(
    searching: Searching,
    sampler: SamplerFactory,
    *,
    name: str,
    path: Path,
    label: str,
    expect: Callable[[int, Any], Mapping[int, float]] = lambda seed, study: {},
) -> list[SeedSearch]:
    """Searches once for each seed, one after the other; the table at `path` holds them all.

    The first seed's study is called `name`, so that a run of one seed can go on as one of several.
    `expect` tells of a seed and its finished study what reward is expected of each trial.
    """
    first, several = searching.session.config.seed, searching.asked.seeds > 1
    found: list[SeedSearch] = []
    for seed in _seeds_of(searching.asked, first):
        rows = [row for search in found for row in _rows(search, named=several)]
        by = 1 + max((t.number for search in found for t in search.trials), default=-1)

        def table(
            trials: list[TrialRecord], seed: int = seed, rows: Rows = rows, by: int = by
        ) -> Rows:
            moved = [_moved(trial, by) for trial in trials]
            return [*rows, *_rows(SeedSearch(seed, moved, {}), named=several)]

        study = searching.session.folder.study(
            name if seed == first else f"{name}-{seed}", directions=searching.goal.directions
        )
        trials = run_trials(
            searching, study, sampler, path,
            label=f"seed {seed}, {label}" if several else label, seed=seed, table=table,
        )  # fmt: skip
        expected = {number + by: reward for number, reward in expect(seed, study).items()}
        found.append(SeedSearch(seed, [_moved(trial, by) for trial in trials], expected))
    return found


def _over_seeds(rewards: list[float]) -> dict[str, Any]:
    """Returns mean, deviation of the sample (None of one) and number of rewards."""
    deviation = statistics.stdev(rewards) if len(rewards) > 1 else None
    return {"reward": statistics.fmean(rewards), "deviation": deviation, "n": len(rewards)}


def _entry(search: SeedSearch, best: Confirmed) -> dict[str, Any]:
    return {
        "seed": search.seed,
        "reward": best.mean_reward,
        "search_reward": best.record.reward,
        "trial": best.record.number,
        "fingerprint": best.record.fingerprint,
        "trials": len(search.trained),
        "seconds": round(sum(trial.seconds or 0.0 for trial in search.trials), 3),
    }


def write_seeds(folder: RunFolder, found: list[tuple[SeedSearch, Confirmed]]) -> None:
    """Writes seeds.json: what each search came to. A run of one search has none."""
    if len(found) < 2:
        folder.seeds_path.unlink(missing_ok=True)
        return
    entries = [_entry(search, best) for search, best in found]
    document = {"seeds": entries, "over_seeds": _over_seeds([each["reward"] for each in entries])}
    folder.write_json(folder.seeds_path, document)
