"""Two processes with half of every batch each train what one does with all of it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import ROOT
from tests.experiments.training.ranked import RECIPES

Found = dict[str, Any]


def start(rank: int, ranks: int, folder: Path) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-m", "tests.experiments.training.ranked", str(rank), str(ranks)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*words, str(folder)], cwd=ROOT, env=environment, stderr=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found, Found]:
    """Returns what one process finds alone, and what each of two finds."""
    folder = tmp_path_factory.mktemp("ranks")
    processes = [start(0, 1, folder), start(0, 2, folder), start(1, 2, folder)]
    for process in processes:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors.decode()
    alone, first, second = (torch.load(folder / f"{n}.pt") for n in ("1-0", "2-0", "2-1"))
    return alone, first, second


def test_statistics_and_gradients_are_those_of_the_whole_batch(
    found: tuple[Found, Found, Found],
) -> None:
    alone, first, second = (each["norms"] for each in found)
    whole = torch.cat([first.pop("input"), second.pop("input")])  # 3 images, and 4
    torch.testing.assert_close(whole, alone.pop("input"), rtol=1e-4, atol=1e-5)
    for name, value in alone.items():
        torch.testing.assert_close(first[name], value, rtol=1e-4, atol=1e-5, msg=name)
        assert torch.equal(first[name], second[name]), name


@pytest.mark.parametrize("name", RECIPES)
def test_ranks_train_what_one_process_trains(name: str, found: tuple[Found, Found, Found]) -> None:
    alone, first, second = (each["trained"][name] for each in found)
    torch.testing.assert_close(first["rows"], alone["rows"], rtol=1e-4, atol=1e-5)
    for key, value in alone["weights"].items():
        torch.testing.assert_close(first["weights"][key], value, rtol=1e-3, atol=1e-4, msg=key)
    assert torch.equal(first["rows"], second["rows"])
    assert not torch.equal(alone["rows"][0], alone["rows"][1])


def test_every_rank_draws_for_itself_and_then_all_draw_the_same(
    found: tuple[Found, Found, Found],
) -> None:
    _, first, second = (each["masks"] for each in found)
    assert not torch.equal(first[:8], second[:8])
    assert torch.equal(first[8:], second[8:])


def test_what_ranks_cannot_share_is_refused(found: tuple[Found, Found, Found]) -> None:
    for each in found[1:]:
        batch, states = each["refused"]
        assert batch.startswith("batch_size is 63, which 2 ranks cannot share evenly")
        assert "put --out on a file system that they share" in states
