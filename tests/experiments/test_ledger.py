"""Seconds by step: written while they pass, and counted once."""

import time
from pathlib import Path

import pytest

from experiments import ledger as ledgers
from experiments.files import write_atomic
from experiments.ledger import Ledger


def test_what_a_killed_process_spent_is_there_already(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    now = lambda self: {"wall": clock[0], "cpu": clock[0] / 2, "gpu": 0.0}  # noqa: E731
    monkeypatch.setattr(Ledger, "_now", now)
    monkeypatch.setattr(ledgers, "EVERY", 0.01)
    ledger, other = Ledger(tmp_path / "ledger.json"), Ledger(tmp_path / "ledger.json")
    with ledger.timed("search"):
        for clock[0] in (5.0, 6.0):
            while other.read().get("search") != {"wall": clock[0], "cpu": clock[0] / 2}:
                time.sleep(0.01)
        clock[0] = 8.0
    assert other.read()["search"] == {"wall": 8.0, "cpu": 4.0}
    with other.timed("search"):  # another process goes on: nothing is counted twice
        clock[0] = 10.0
    assert ledger.read()["search"] == {"wall": 10.0, "cpu": 5.0}


def test_workers_seconds_count_for_the_step_in_which_they_were_spent(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.json")
    with ledger.timed("search"):
        ledger.add_spent(100.0, 0.0)
    with ledger.timed("grid"):
        ledger.add_spent(50.0, 7.0)
    found = ledger.read()
    assert 100 <= found["search"]["cpu"] < 150
    assert 50 <= found["grid"]["cpu"] < 100
    assert "gpu" not in found["search"]
    assert found["grid"]["gpu"] == 7.0


def test_a_disk_that_fails_once_does_not_end_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledgers, "EVERY", 0.01)
    ledger, write, failed = Ledger(tmp_path / "ledger.json"), write_atomic, list[Path]()

    def fails(path: Path, text: str) -> None:
        if len(failed) < 3:
            failed.append(path)
            raise OSError("no space")
        write(path, text)

    monkeypatch.setattr(ledgers, "write_atomic", fails)
    with ledger.timed("search"):
        while not ledger.read():
            time.sleep(0.01)
    assert len(failed) == 3
    assert ledger.read()["search"]["wall"] > 0
