"""Searches on problems whose best network is known, and the figures made of them."""

from pathlib import Path

import numpy as np
import pytest

from experiments.studies.figure import regret_figure
from experiments.studies.problems import Problem, make_problem
from experiments.studies.regret import Searched, search_problem, summary
from experiments.studies.section import BEGIN, END, put_section
from nas.costs import Costing
from nas.objective import Objective
from nas.samplers import sampler_factory
from nas.samplers.known import known_networks
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from tests.conftest import Caller
from tests.test_cli_errors import assert_refused

BENCHMARKS = Path(__file__).parents[4] / "shared" / "benchmarks"
needs_tables = pytest.mark.skipif(
    not (BENCHMARKS / "nas_bench_macro.parquet").is_file(),
    reason="the measured tables are not there (../shared/benchmarks)",
)


def easy() -> Problem:
    """Makes a problem in which every layer's largest operation is the best by far."""
    space, objective = MEASURED["nas_bench_macro"].make(), Objective("soft", 40e6, -0.01)

    def accuracy(encoded: np.ndarray) -> np.ndarray:
        return np.asarray(0.5 + encoded.sum(axis=1) / 40)

    def measure(encoded: np.ndarray, rng: np.random.Generator) -> float:
        return float(accuracy(encoded[None])[0] + 0.001 * rng.normal())

    problem = Problem("easy", space, objective, accuracy, measure, best=1.0)
    best = problem.rewards(np.full((1, 8), 2))[0]
    return Problem("easy", space, objective, accuracy, measure, float(best))


def test_regret_is_what_the_incumbent_misses() -> None:
    problem = easy()
    assert problem.regret(np.full(8, 2)) == 0
    reward = problem.rewards(np.zeros((1, 8), dtype=np.int64))[0]
    assert problem.regret(np.zeros(8, dtype=np.int64)) == pytest.approx(
        100 * (1 - reward / problem.best)
    )


def test_the_grey_box_sampler_solves_an_easy_problem_before_random_draws() -> None:
    problem = easy()
    known = known_networks(problem.objective, Costing(problem.space))
    searches = [
        search_problem(problem, name, sampler_factory(name, known=known), seed=0, trials=30)
        for name in ("greybox", "random")
    ]
    grey, random = summary(searches)
    assert searches[0].regret[-1] < 0.1
    assert grey["trials to 1%"] < random["trials to 1%"]
    assert len(searches[0].milliseconds) == 30


def test_a_summary_takes_medians_over_seeds() -> None:
    def searched(seed: int, regret: float) -> Searched:
        return Searched("p", "s", seed, (3.0, 0.9, regret), (1.0, 2.0, 3.0))

    rows = summary([searched(0, 0.4), searched(1, 0.2), searched(2, 0.6)])
    assert rows == [
        {
            "problem": "p", "sampler": "s", "seeds": 3, "trials to 1%": 2, "trials to 0.5%": 3,
            "trials to 0.25%": 4, "ms to suggest": 2.5,
        }
    ]  # fmt: skip


def test_the_table_goes_between_the_marks_of_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    put_section(page, [{"problem": "p", "seeds": 3}], about="How.")
    table = "| problem | seeds |\n| --- | --- |\n| p | 3 |"
    assert page.read_text() == f"before\n{BEGIN}\nHow.\n\n{table}\n{END}\nafter\n"
    page.write_text("nothing")
    with pytest.raises(InputError, match="it must hold"):
        put_section(page, [{"problem": "p"}], about="How.")


def test_the_figure_stands_alone() -> None:
    page = regret_figure([Searched("p", "s", seed, (3.0, 0.9), (1.0, 2.0)) for seed in range(3)])
    assert "<html>" in page
    assert 'src="http' not in page


@needs_tables
def test_the_macro_problem_is_the_published_table() -> None:
    problem = make_problem("macro", BENCHMARKS)
    assert problem.best == pytest.approx(0.918614, abs=1e-6)
    encoded = np.zeros(8, dtype=np.int64)
    drawn = {problem.measure(encoded, np.random.default_rng(seed)) for seed in range(20)}
    assert len(drawn) == 3
    assert np.mean(list(drawn)) == pytest.approx(problem.accuracy(encoded[None])[0], abs=1e-4)


@pytest.mark.slow
@needs_tables
def test_the_mnas_problem_is_the_benchmarks() -> None:
    assert make_problem("mnas", BENCHMARKS).best == pytest.approx(0.657198, rel=0.003)


def test_bad_input(call: Caller, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no problem is called 'nope'; they are macro, mnas"):
        make_problem("nope", tmp_path)
    bench = ("bench", "search", "--measured", str(tmp_path))
    assert_refused(call(*bench, "--samplers", "tpe,nope"), "no sampler is called 'nope'")
    assert_refused(call(*bench, "--problems", "nope"), "no problem is called 'nope'")
