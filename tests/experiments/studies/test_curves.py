"""Searches along made-up learning curves: what is spent, and what is made of it."""

import json
import math
from pathlib import Path

import pytest

from experiments.studies.curves import Spent, curve_rows, search_curves
from nas.halving import Halving
from nas.samplers import sampler_factory
from tests.conftest import Caller
from tests.experiments.studies.test_regret import easy
from tests.test_cli_errors import assert_refused

HERE = ("--data", "digits", "--limit", 200, "--out", "out", "--target-macs", "2M")


def test_halving_tries_more_networks_for_the_same() -> None:
    problem, make = easy(), sampler_factory("random")
    whole = search_curves(problem, make, None, seed=0, budget=15)
    halved = search_curves(problem, make, Halving(3, 3), seed=0, budget=15)
    assert whole.trials == 15 == whole.spent[-1]
    assert halved.trials > 30
    assert 14 < halved.spent[-1] < 16
    assert halved == search_curves(problem, make, Halving(3, 3), seed=0, budget=15)
    assert all(one < two for one, two in zip(halved.spent, halved.spent[1:], strict=False))


def test_what_is_spent_is_counted_to_the_first_time_at_the_goal() -> None:
    spent = Spent((5.0, 10.0, 15.0), (2.0, 0.9, 1.1), 15)
    assert spent.to(1.0) == 10
    assert math.isinf(spent.to(0.5))
    half = Spent((4.0, 8.0), (0.9, 0.7), 20)
    rows = {row["what"]: row for row in curve_rows([spent], [half])}
    assert (rows["spent to 1%"]["whole trainings"], rows["spent to 1%"]["with halving"]) == (10, 4)
    assert (rows["spent to 1%"]["ratio"], rows["spent to 0.5%"]["ratio"]) == (0.4, "–")
    assert rows["spent to 0.75%"]["whole trainings"] == "never"
    end = rows["regret % at the end"]
    assert (end["whole trainings"], end["with halving"], end["ratio"]) == (1.1, 0.7, 0.64)
    json.dumps(list(rows.values()), allow_nan=False)


def test_the_bench_searches_both_ways_and_goes_on(call: Caller) -> None:
    words = (
        "bench", "halving", "--data", "digits", "--limit", 200, "--target-macs", "2M",
        "--search-epochs", 2, "--reduction", 2, "--train-time", "0.001s", "--seeds", 1,
        "--confirm", 0, "--sampler", "random", "--device", "cpu", "--out", "bench", "--json",
    )  # fmt: skip
    done = call(*words)
    assert done.status == 0, done.err
    rows = done.document["halving"]
    assert [row["search"] for row in rows] == ["halving epochs", "whole"] * 2
    assert [row["seed"] for row in rows] == [0, 0, "mean", "mean"]
    assert {row["trained whole"] for row in rows} == {1}
    assert all(0 < row["reward confirmed"] < 1 and row["training s"] > 0 for row in rows)
    log = Path("bench/seed0-halving-epochs/evaluations.jsonl")
    lines = log.read_text()
    assert len(lines.splitlines()) == 2
    assert call(*words).document == done.document
    assert log.read_text() == lines


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "needs --data and --out, or --measured"),
        ((*HERE, "--halving", "epoch"), "did you mean 'epochs'"),
        ((*HERE, "--search-epochs", 2), "2 epochs leave no room for a first rung of 1 in 3"),
        (("--measured", "nowhere", "--reduction", 1), "reduction is 1"),
    ],
)
def test_the_bench_refuses_in_one_line(
    call: Caller, words: tuple[object, ...], message: str
) -> None:
    assert_refused(call("bench", "halving", *words), message)
