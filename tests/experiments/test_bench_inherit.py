"""The bench of inherited weights: paired by seed, kept, counted with and without the base."""

from pathlib import Path
from typing import Any

import pytest

from experiments.bench import inherit as bench
from experiments.bench.inherit import BASE, HEIR, SCRATCH, inherit_summary
from experiments.train import train
from nas.evaluation import Evaluation
from search_spaces.codec import spec_to_json
from search_spaces.spec import ArchSpec
from tests.conftest import Caller


def evaluations(macs: int, epochs: int, *scores: float) -> list[Evaluation]:
    return [
        Evaluation(0.5, macs, 10, 2.0, seed, epochs, test_accuracy=score)
        for seed, score in enumerate(scores)
    ]


def test_leads_are_paired_and_training_is_counted_twice() -> None:
    found = {
        BASE: evaluations(100, 8, 0.5, 0.6),
        SCRATCH: evaluations(200, 8, 0.6, 0.7),
        f"{HEIR}, half": evaluations(200, 4, 0.62, 0.74),
    }
    base, scratch, half = inherit_summary(found)
    assert (scratch["training"], base["training"], half["training"]) == (1, 0.5, 0.5)
    assert (scratch["with the base's"], half["with the base's"]) == (None, 1.0)
    assert (half["lead on scratch"], scratch["lead on scratch"]) == (3.0, 0.0)
    assert half["± (standard error)"] == 1.0
    assert base["lead on scratch"] == -10.0


def test_it_trains_each_once_and_goes_on(
    call: Caller, tiny: ArchSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, int, str | None]] = []

    def trained(spec: ArchSpec, data: Any, recipe: Any, **more: Any) -> Any:
        path = more["weights"]
        seen.append((spec.name, recipe.epochs, path and path.name))
        return train(spec, data, recipe, **more)

    monkeypatch.setattr(bench, "train", trained)
    (tmp_path / "tiny.json").write_text(spec_to_json(tiny))
    words = (
        "bench", "inherit", "--base", "tiny.json", "--data", "digits", "--limit", 128,
        "--epochs", 2, "--seeds", 2, "--shares", "0.5", "--keep", "kept", "--device", "cpu",
        "--json",
    )  # fmt: skip
    outcome = call(*words)
    assert outcome.status == 0, outcome.err
    each = [("tiny", 2), ("tiny_phi1", 2), ("tiny_phi1", 1), ("tiny_phi1", 1)]
    assert [training[:2] for training in seen] == each * 2
    assert [path for *_, path in seen] == [
        *(None, None, None, "base.seed0.safetensors"),
        *(None, None, None, "base.seed1.safetensors"),
    ]  # fmt: skip
    rows = outcome.document["inherit"]
    shorter = [f"{name}, 1 of 2 epochs" for name in (SCRATCH, HEIR)]
    assert [row["what"] for row in rows] == [BASE, SCRATCH, *shorter]
    assert [row["n"] for row in rows] == [2, 2, 2, 2]
    assert call(*words).document == outcome.document
    assert len(seen) == 8


@pytest.mark.parametrize("shares", ["0", "2", "x", ""])
def test_shares_that_are_none(call: Caller, shares: str) -> None:
    outcome = call(
        "bench", "inherit", "--base", "mobilenetv2", "--data", "digits", "--keep", "k",
        "--shares", shares,
    )  # fmt: skip
    assert outcome.status == 2
    assert outcome.err.startswith("nas: --shares")
