"""Grids trained as races: what is written down, what is looked up, what a bench makes of them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from experiments.bench.race import RaceBench, bench_race, race_row
from experiments.grid_outcome import Outcome, why
from experiments.prepare import DataRequest
from experiments.progress import Reporter
from experiments.racing import exhaustive_outcome
from experiments.report.contents import read_contents
from experiments.report.grid_section import grid_section
from experiments.report.plots import Plots
from experiments.requests import grid_plan
from experiments.scale_step import GridPlan, candidates_of, grid_command, run_grid
from experiments.session import Session
from nas.evaluation import Evaluation
from scaling.grid import Candidate, GridRange, GridResult, grid_score
from search_spaces.codec import fingerprint, spec_to_json
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from tests.conftest import Caller

PLAN = GridPlan(GridRange(step=0.05, tolerance=0.3), epochs=3, count=9, seeds=3, race=True)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int, int]]:
    """Makes trainings instant; returns those that were made: fingerprint, seed, epochs."""
    made: list[tuple[str, int, int]] = []

    def evaluate(
        self: Session, spec: ArchSpec, *, seed: int, epochs: int, start: object = None
    ) -> Evaluation:
        key = self.key(spec, self.short_recipe(epochs), seed)
        known = self.log.get(key)
        if known is not None:
            return known
        name = fingerprint(spec)
        made.append((name, seed, epochs))
        accuracy = 0.4 + int(name[:4], 16) / 0x80000 + epochs / 100 + seed % 7 / 1000
        evaluation = Evaluation(accuracy, cost(spec).macs, 1, 2.0 * epochs, seed)
        self.log.add(key, evaluation)
        return evaluation

    monkeypatch.setattr(Session, "evaluate", evaluate)
    return made


@pytest.fixture
def base(tiny: ArchSpec) -> ArchSpec:
    return replace(tiny, resolution=16)


def test_a_race_spends_a_third_and_says_how_sure_it_is(
    session: Session, base: ArchSpec, calls: list[tuple[str, int, int]]
) -> None:
    document = grid_command(session, base, PLAN)
    json.dumps(document, allow_nan=False)
    constants = document["constants"]
    macs = {c.fingerprint: c.macs for c in candidates_of(base, PLAN)}
    spent = sum(macs[name] * epochs for name, _, epochs in calls)
    assert constants["race"]["share"] == pytest.approx(spent / (sum(macs.values()) * 9))
    assert constants["race"]["share"] <= 1 / 3 + 1e-9
    assert constants["race"]["trainings"] == len(calls) == len(set(calls))
    assert constants["race"]["rungs"][0] == {"epochs": 1, "seed": 0, "trainings": 9}
    for name in ("alpha", "beta", "gamma"):
        low, high = constants["interval"][name]
        assert low <= high
    assert constants["why"]
    frame = pd.read_parquet(session.folder.grid_path)
    assert frame["alpha"].iloc[0] == constants["alpha"]
    assert frame["trainings"].sum() == len(calls)
    assert frame["chance"].sum() == pytest.approx(1)
    assert (frame["error"] >= 0).all()


def test_a_race_that_was_run_looks_its_trainings_up(
    session: Session, base: ArchSpec, calls: list[tuple[str, int, int]]
) -> None:
    run_grid(session, base, PLAN)
    first = session.folder.constants_path.read_bytes()
    made = len(calls)
    run_grid(session, base, PLAN)
    assert len(calls) == made
    assert session.folder.constants_path.read_bytes() == first
    run_grid(session, base, replace(PLAN, race=False))
    assert len(calls) == 9 + 9 * 3  # the first rung is the race's alone


def test_a_report_shows_the_surface(
    session: Session, base: ArchSpec, calls: list[tuple[str, int, int]]
) -> None:
    run_grid(session, base, PLAN)
    html = grid_section(read_contents(session.folder), Plots())
    assert "Score by constants" in html
    assert "95% intervals of the best constants: α" in html
    assert "A race: " in html
    assert html.count("(chosen)") == 1


def level(base: ArchSpec, accuracies: Sequence[tuple[float, ...]]) -> Outcome:
    found = candidates_of(base, replace(PLAN, count=len(accuracies)))
    results = [GridResult(c, a, 1.0) for c, a in zip(found, accuracies, strict=True)]
    return exhaustive_outcome(results, epochs=3)


def scored(candidate: Candidate, score: float) -> float:
    return score / grid_score(1.0, candidate.macs_ratio)


def test_ties_are_said_and_the_cheapest_is_chosen(base: ArchSpec) -> None:
    found = candidates_of(base, replace(PLAN, count=4))
    # Seeds change places between candidates: no two can be told apart.
    scores = [(0.5, 0.6, 0.55), (0.6, 0.55, 0.5), (0.55, 0.5, 0.6), (0.5, 0.55, 0.6)]
    outcome = level(base, [tuple(scored(c, s) for s in mine) for c, mine in zip(found, scores)])  # noqa: B905
    assert len(outcome.tied_with) == 3
    assert outcome.best.candidate.macs == min(c.macs for c in found)
    assert "the data cannot tell it from 3 other candidates at the 5% level" in why(outcome)


def test_what_is_told_apart_is_said_too(base: ArchSpec) -> None:
    found = candidates_of(base, replace(PLAN, count=4))
    outcome = level(
        base,
        [tuple(scored(c, 0.5 + i / 10 + s / 50) for s in range(3)) for i, c in enumerate(found)],
    )
    assert outcome.best.candidate == found[3]
    assert outcome.tied_with == ()
    assert why(outcome).startswith("it scores best, and the data tell it from every other")
    alone = level(base, [(0.5, 0.6)])
    assert alone.decision is None
    assert why(alone) == "no other candidate was trained to compare it with"


def test_the_bench_counts_what_the_race_saves_and_misses(
    tmp_path: Path, base: ArchSpec, calls: list[tuple[str, int, int]]
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(spec_to_json(base))
    request = DataRequest("digits", limit=200, device="cpu")
    asked = RaceBench(request, (str(path),), PLAN, tmp_path / "out")
    (row,) = bench_race(asked, Reporter())
    assert row["base"] == "mine"
    assert (row["candidates"], row["of"]) == (9, 27)
    assert row["MACs share"] <= 0.334
    assert row["regret"] >= 0
    assert (row["rank"] == 1) == (row["regret"] == 0)
    assert row["regret of the leader"] >= 0
    made = len(calls)
    assert bench_race(asked, Reporter()) == [row]
    assert len(calls) == made
    with pytest.raises(InputError, match="one or more of different names"):
        RaceBench(request, ("a.json", "b/a.json"), PLAN, tmp_path)


def test_the_row_of_a_bench(base: ArchSpec) -> None:
    found = candidates_of(base, replace(PLAN, count=4))
    means = (0.5, 0.52, 0.56, 0.55)
    noise = (0.01, -0.01, 0.0)
    whole = level(
        base, [tuple(scored(c, m + n) for n in noise) for c, m in zip(found, means, strict=True)]
    )
    pick = replace(whole, ranked=(3, 0, 1, 2), share=0.3, trainings=whole.trainings[:5])
    row = race_row(pick, whole, 2.0)
    assert row["regret"] == pytest.approx(0.01)
    assert (row["rank"], row["trainings"], row["of"]) == (2, 5, 12)
    assert row["winner's error"] == pytest.approx(0.01 / 3**0.5, abs=1e-4)
    assert row["error"] == 0  # seeds shift all candidates alike
    assert row["mean regret of all"] == pytest.approx(0.0275)


def test_too_little_to_race_is_refused_before_anything_is_searched() -> None:
    words = {"alpha": "1:2", "beta": "1:1.5", "gamma": "1:1.5", "step": 0.05, "tolerance": 0.1}
    with pytest.raises(InputError, match="33% of 3 candidates × 1 seeds × 3 epochs is too little"):
        grid_plan(**words, candidates=3, seeds=1, epochs=3, race=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("scale", "mobilenetv2", "--race"), "--race is how --grid is trained"),
        (
            ("bench", "race", "--bases", "nosuchnet", "--data", "digits", "--out", "x"),
            "nosuchnet",
        ),
        (("bench", "race", "--bases", ",", "--data", "digits", "--out", "x"), "--bases ''"),
    ],
)
def test_bad_input_is_one_line(call: Caller, words: tuple[str, ...], message: str) -> None:
    outcome = call(*words)
    assert outcome.status == 2
    assert message in outcome.err
    assert len(outcome.err.strip().splitlines()) == 1
