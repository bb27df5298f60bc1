"""`nas bench simulate`: its rows, the sampler that it asks, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from experiments.bench.simulate import read_times
from experiments.studies.asking import RealStudy, measure_pace
from search_spaces.errors import InputError
from tests.conftest import Caller
from tests.test_cli_errors import assert_refused

BENCHMARKS = Path(__file__).parents[3] / "shared" / "benchmarks"
TABLE = BENCHMARKS / "accel_nasbench.parquet"


@pytest.fixture
def times(tmp_path: Path) -> Path:
    """Writes a table of training times; one was not measured."""
    path = tmp_path / "times.parquet"
    seconds = [*np.random.default_rng(0).gamma(4, 500, size=50), np.nan]
    pd.DataFrame({"train_time": seconds, "name": ["net"] * 51}).to_parquet(path)
    return path


@pytest.mark.parametrize("how", [(), ("--real",)])
def test_both_modes_are_simulated(call: Caller, times: Path, how: tuple[str, ...]) -> None:
    found = call(
        "bench", "simulate", "--times", str(times), "--workers", "20", "--trials", "100",
        "--sampler", "random", "--losses", "10h", "--stragglers", "0.25x2", "--json", *how,
    )  # fmt: skip
    free, together = found.document["simulate"]
    assert [free["mode"], together["mode"]] == ["asynchronous", "in generations of 20"]
    assert free["utilisation %"] > together["utilisation %"]
    assert free["hours"] < together["hours"]
    for row in (free, together):
        assert row["workers"] == 20
        assert row["trials"] == 100
        parts = row["utilisation %"] + row["lost %"] + row["idle %"]
        assert parts == pytest.approx(100, abs=0.02)
        assert row["asks/s reached"] > row["asks/s needed"] > 0


def test_what_runs_is_never_suggested_again() -> None:
    study = RealStudy("greybox", seed=0)
    study.fill(0, 40)
    for number in range(25):
        study.tell(number)
    for number in range(40, 48):
        assert study.ask(number) > 0
    suggested = [tuple(params.values()) for params in study.running.values()]
    assert len(set(suggested)) == len(suggested) == 23
    again = RealStudy("greybox", seed=0)
    again.fill(0, 40)
    for number in range(25):
        again.tell(number)
    again.ask(40)
    assert again.running[40] == study.running[40]


def test_asks_are_timed_with_as_many_running_as_there_are_workers() -> None:
    paces = measure_pace("greybox", workers=6, marks=[0, 6, 24], seed=0, repeats=2)
    assert [(pace.asked, pace.running) for pace in paces] == [(0, 0), (6, 6), (24, 6)]
    assert all(pace.seconds > pace.fit >= 0 for pace in paces)


@pytest.mark.skipif(not TABLE.is_file(), reason="the measured tables are not there")
def test_the_measured_training_times_are_read() -> None:
    found = read_times(TABLE, "train_time")
    assert len(found) == 5138
    assert np.mean(found) == pytest.approx(2147.7, abs=0.1)


def test_missing_times_are_left_out(times: Path) -> None:
    assert len(read_times(times, "train_time")) == 50


def test_bad_input(call: Caller, times: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no column 'seconds'; it has train_time, name"):
        read_times(times, "seconds")
    with pytest.raises(InputError, match="must hold seconds"):
        read_times(times, "name")
    bench = ("bench", "simulate", "--times", str(times))
    missing = ("bench", "simulate", "--times", str(tmp_path / "none"))
    assert_refused(call(*missing), "there is no such file of training times")
    assert_refused(call(*bench, "--stragglers", "2"), "write SHARExFACTOR, as 0.05x2")
    assert_refused(call(*bench, "--losses", "often"), "--losses 'often' cannot be read")
    assert_refused(call(*bench, "--sampler", "nope"), "no sampler is called 'nope'")
    text = tmp_path / "text.parquet"
    text.write_text("no table")
    assert_refused(call("bench", "simulate", "--times", str(text)), "not Parquet")
