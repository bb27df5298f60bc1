"""Recipes held against one another: the same data, network and time for everyone."""

from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from experiments.bench import contest as bench
from experiments.bench.contest import Contest, Entry, epochs_within, held_out, summary
from experiments.bench.recipes import CONTESTS
from experiments.data import load_data
from experiments.progress import Reporter
from search_spaces.cost import cost
from search_spaces.errors import InputError

CONTEST = Contest("digits", 160, seconds=0.1, macs=2e5, device="cpu")
ENTRY = Entry("small", "fast", {"batch_size": 32})


def row(entry: str, seed: int, accuracy: float, epochs: int = 7) -> dict[str, Any]:
    return {"entry": entry, "seed": seed, "accuracy": accuracy, "epochs": epochs, "seconds": 10.0}


def test_the_test_part_stays_whole_and_apart() -> None:
    data = load_data("digits")
    part = held_out(data, 100)
    assert len(part.train) == 100
    assert np.array_equal(part.images[part.test], data.images[data.test])
    assert np.array_equal(part.labels[part.test], data.labels[data.test])
    assert set(part.classes) == set(data.classes)
    with pytest.raises(InputError, match="--limit 99999: digits has "):
        held_out(data, 99_999)


def test_epochs_that_fit() -> None:
    assert epochs_within(100, fixed=10, epoch=9) == 10
    assert epochs_within(5, fixed=10, epoch=9) == 1


def test_every_entry_of_a_contest_can_train() -> None:
    for entry in (entry for entries in CONTESTS.values() for entry in entries):
        recipe = entry.with_epochs(9)
        assert (recipe.epochs, recipe.patience) == (9, 0)


def test_a_training_of_a_contest() -> None:
    found = bench.compete(CONTEST, ENTRY, epochs=2, seed=1)
    spec = CONTEST.spec(load_data("digits"))
    assert abs(cost(spec).macs / 2e5 - 1) < 0.25
    assert found["macs"] == cost(spec).macs
    assert (found["entry"], found["seed"], found["epochs"]) == ("small", 1, 2)
    assert 0.05 < found["accuracy"] <= 1
    assert found["seconds"] > 0
    assert bench.compete(CONTEST, ENTRY, epochs=2, seed=1)["accuracy"] == found["accuracy"]


def test_an_entry_may_take_another_ones_epochs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_pool", lambda contest: _Now())
    monkeypatch.setattr(bench, "_fitting", lambda pool, contest, entries: [7] * len(entries))
    monkeypatch.setattr(
        bench, "compete", lambda contest, entry, epochs, seed: row(entry.name, seed, 0.5, epochs)
    )
    growing = Entry("growing", "fast", {"stages": 2}, like="small", share=1.5)
    rows = bench.run_contest(CONTEST, [ENTRY, growing], 1, tmp_path / "kept", Reporter())
    assert [(row["entry"], row["epochs"]) for row in rows] == [("small", 7), ("growing", 10)]


def test_epochs_are_timed_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "TURNS", 1)
    for fixed, epoch in bench.calibrate(CONTEST, [ENTRY, replace(ENTRY, name="again")]):
        assert fixed >= 0
        assert epoch > 0
    assert bench._parted([(3.0, 5.0), (4.0, 7.0), (3.5, 60.0)], 1) == (1.75, 1.75 * 4)


class _Now:
    """Runs jobs where it is asked to, and counts them."""

    jobs = 0

    def __enter__(self) -> "_Now":
        return self

    def __exit__(self, *error: object) -> None: ...

    def submit(self, work: Any, *args: Any) -> Any:
        _Now.jobs += 1
        future: Future[Any] = Future()
        future.set_result(work(*args))
        return future


def test_a_contest_goes_on_where_it_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "_pool", lambda contest: _Now())
    monkeypatch.setattr(bench, "_fitting", lambda pool, contest, entries: [1] * len(entries))
    kept = tmp_path / "kept.jsonl"
    _Now.jobs = 0
    rows = bench.run_contest(CONTEST, [ENTRY], 2, kept, Reporter())
    assert [row["seed"] for row in rows] == [0, 1]
    assert [row["epochs"] for row in rows] == [1, 1]
    assert _Now.jobs == 2  # seeds; epochs were given
    lines = kept.read_text().splitlines()
    kept.write_text("\n".join(lines[:2]) + "\n")
    again = bench.run_contest(CONTEST, [ENTRY], 2, kept, Reporter())
    timed = {"seconds": rows[0]["seconds"]}  # of a training that is done again, they differ
    assert again[0] | timed == rows[0]
    assert _Now.jobs == 3
    bench.run_contest(replace(CONTEST, seconds=0.2), [ENTRY], 1, kept, Reporter())
    assert _Now.jobs == 4


def test_a_summary_compares_the_same_seeds() -> None:
    entries = [Entry("a", "fast"), Entry("b", "fast")]
    rows = [row("a", 0, 0.60), row("b", 0, 0.50), row("b", 1, 0.56), row("a", 1, 0.64)]
    first, second = summary(rows, entries)
    assert (first["test accuracy %"], first["a is ahead by"]) == (62.0, 0.0)
    assert (second["test accuracy %"], second["a is ahead by"]) == (53.0, 9.0)
    assert second["± (standard error)"] == 1.0
    assert second["time of a's"] == 1.0
    assert second["deviation"] == pytest.approx(4.24, abs=0.01)
