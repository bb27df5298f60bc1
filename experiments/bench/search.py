"""Samplers held against one another on measured spaces, many seeds each."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import date
from functools import lru_cache, partial
from pathlib import Path

from experiments.bench.timing import Rows
from experiments.files import append_line, write_atomic
from experiments.progress import Reporter
from experiments.studies.figure import regret_figure
from experiments.studies.fronts import best_hypervolume, front_of, search_front
from experiments.studies.problems import PROBLEMS, Problem, make_problem
from experiments.studies.regret import Searched, search_problem, summary
from experiments.studies.section import FRONTS, MARKS, put_section
from nas.costs import Costing
from nas.samplers import FRONT_SAMPLERS, SAMPLERS, sampler_factory
from nas.samplers.known import known_networks
from search_spaces.errors import InputError

__all__ = ["SearchBench", "bench_search"]

Key = tuple[str, str, int, int]  # problem, sampler, how many at once, seed


@dataclass(frozen=True, slots=True)
class SearchBench:
    """Says which samplers search which problems; `measured` is the folder of the tables.

    With `front` they search for the Pareto front of accuracy against MACs, else for a reward.
    Each of `at_once` is how many trials run at a time, in searches of their own.
    """

    measured: Path
    problems: tuple[str, ...]
    samplers: tuple[str, ...]
    seeds: int
    trials: int
    target_macs: float | None = None
    keep: Path | None = None
    figure: Path | None = None
    page: Path | None = None
    front: bool = False
    at_once: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        for kind, names, known in (
            ("problem", self.problems, PROBLEMS),
            ("sampler", self.samplers, FRONT_SAMPLERS if self.front else SAMPLERS),
        ):
            for name in names:
                if name not in known:
                    raise InputError(f"no {kind} is called {name!r}; they are {', '.join(known)}")
        if self.front and self.target_macs is not None:
            raise InputError("a front has no target; leave --target-macs out")
        if min(self.at_once) < 1:
            raise InputError(f"--at-once {min(self.at_once)}: at least 1 trial runs at a time")


@lru_cache(maxsize=1)
def _problem(name: str, folder: Path, target_macs: float | None) -> Problem:
    return make_problem(name, folder, target_macs=target_macs)


@lru_cache(maxsize=1)
def _best_front(name: str, folder: Path) -> float:
    return best_hypervolume(_problem(name, folder, None))


def _search(asked: SearchBench, problem: str, sampler: str, at_once: int, seed: int) -> Searched:
    found = _problem(problem, asked.measured, asked.target_macs)
    how = {"seed": seed, "trials": asked.trials, "at_once": at_once}
    if asked.front:
        known = known_networks(front_of(found), Costing(found.space))
        best = _best_front(problem, asked.measured)
        make = sampler_factory(sampler, known=known)
        return search_front(found, sampler, make, best=best, **how)
    known = known_networks(found.objective, Costing(found.space))
    make = sampler_factory(sampler, known=known)
    return search_problem(found, sampler, make, **how)


def bench_search(asked: SearchBench, reporter: Reporter) -> Rows:
    """Searches with every sampler and seed, those not in the file `keep` already, in parallel.

    `keep` gets a line of JSON for each search as it ends; `figure` is written as HTML,
    and the table into the docs' `page`.
    """
    wanted = [
        (problem, sampler, at_once, seed)
        for problem in asked.problems
        for sampler in asked.samplers
        for at_once in asked.at_once
        for seed in range(asked.seeds)
    ]
    known = {_key(each): each for each in _kept(asked)}
    missing = [key for key in wanted if key not in known]
    reporter.plan(len(missing))
    for each in _searched(asked, missing):
        known[_key(each)] = each
        _keep(asked, each)
        reporter.done(
            1,
            f"{each.problem}, {each.sampler}, {each.at_once} at once, seed {each.seed}: "
            f"{each.regret[-1]:.2f}%",
        )
    searches = [known[key] for key in wanted]
    if asked.figure is not None:
        write_atomic(asked.figure, regret_figure(searches))
    rows = summary(searches)
    if asked.page is not None:
        put_section(asked.page, rows, about=_about(asked), marks=FRONTS if asked.front else MARKS)
    return rows


def _about(asked: SearchBench) -> str:
    target = "" if asked.target_macs is None else f" --target-macs {asked.target_macs:g}"
    target = " --objective front" if asked.front else target
    if asked.at_once != (1,):
        target += f" --at-once {','.join(map(str, asked.at_once))}"
    return (
        f"`nas bench search --measured DIR --problems {','.join(asked.problems)} --samplers "
        f"{','.join(asked.samplers)} --seeds {asked.seeds} --trials {asked.trials}{target}`, "
        f"{date.today()}, {os.cpu_count()} cores: medians over the seeds; {asked.trials + 1} "
        "trials mean that more than half of the searches did not get there."
    )


def _searched(asked: SearchBench, wanted: Sequence[Key]) -> Iterable[Searched]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawn) as pool:
        jobs = [pool.submit(partial(_search, asked), *each) for each in wanted]
        for job in as_completed(jobs):
            yield job.result()


def _key(each: Searched) -> Key:
    return each.problem, each.sampler, each.at_once, each.seed


def _asked(asked: SearchBench) -> dict[str, object]:
    front = {"objective": "front"} if asked.front else {}
    return {"trials": asked.trials, "target_macs": asked.target_macs, **front}


def _kept(asked: SearchBench) -> list[Searched]:
    if asked.keep is None or not asked.keep.is_file():
        return []
    lines = [json.loads(line) for line in asked.keep.read_text().splitlines()]
    return [Searched(**line["search"]) for line in lines if line["asked"] == _asked(asked)]


def _keep(asked: SearchBench, each: Searched) -> None:
    if asked.keep is not None:
        append_line(asked.keep, {"asked": _asked(asked), "search": each.document()})
