"""`nas bench zerocost`: scores of a measured table's networks, kept as they are made."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.bench import zerocost as bench
from experiments.bench.zerocost import ZeroCostOptions, bench_zerocost
from experiments.data import load_data
from experiments.device import pick_device
from experiments.measured_tables import read_table
from experiments.progress import Reporter
from experiments.score_images import score_batch
from search_spaces.cost import cost
from search_spaces.errors import InputError

NAMES = ("22212220", "22212202", "00000000", "11111111", "20002000", "01201201")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Writes a table of six names, two of which are one network."""
    path = tmp_path / "nas_bench_macro.parquet"
    accuracy = [93.0, 93.1, 70.0, 90.0, 80.0, 85.0]
    pd.DataFrame({"arch": NAMES, "mean_acc": accuracy}).to_parquet(path)
    return path


def test_a_table_is_read_by_its_file_or_its_folder(table: Path) -> None:
    found = read_table("nas_bench_macro", table)
    specs = found.space.decode_many(found.encoded)
    assert len(specs) == 6
    assert found.accuracy.tolist() == pytest.approx([0.93, 0.931, 0.7, 0.9, 0.8, 0.85])
    assert found.space.values(found.encoded[0])["stage4.op"] == "mbconv3_k3"
    assert np.array_equal(read_table("nas_bench_macro", table.parent).encoded, found.encoded)


def test_a_sample_has_no_network_twice(table: Path) -> None:
    found = read_table("nas_bench_macro", table)
    assert len(found.sample(10).encoded) == 5
    two, again = found.sample(2), found.sample(2)
    assert np.array_equal(two.encoded, again.encoded)
    assert len(two.accuracy) == 2


def test_what_is_no_table_is_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no measured table is called 'x'"):
        read_table("x", table)
    with pytest.raises(InputError, match="there is no such table"):
        read_table("nas_bench_macro", tmp_path / "none")
    with pytest.raises(InputError, match="not Accel-NASBench's table"):
        read_table("accel_nasbench", table)
    (tmp_path / "text").write_text("no")
    with pytest.raises(InputError, match="not Parquet"):
        read_table("nas_bench_macro", tmp_path / "text")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other")
    with pytest.raises(InputError, match="not NAS-Bench-Macro's table"):
        read_table("nas_bench_macro", tmp_path / "other")


def options(table: Path, **values: Any) -> ZeroCostOptions:
    asked = {"networks": 5, "batch": 8, "resolution": 16, "device": "cpu", "seeds": 2}
    return ZeroCostOptions("nas_bench_macro", table, "digits", **{**asked, **values})


def test_scores_are_held_against_accuracies_and_kept(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "kept.jsonl"
    asked = options(table, keep=kept, scores=("params", "macs", "naswot"))
    rows = bench_zerocost(asked, Reporter())
    assert [row["score"] for row in rows] == ["params", "macs", "naswot"]
    assert {(row["networks"], row["seeds"], row["pixels"]) for row in rows} == {(5, 2, 16)}
    sample = read_table("nas_bench_macro", table).sample(5)
    macs = [cost(spec).macs for spec in sample.space.decode_many(sample.encoded)]
    order = pd.Series(macs).corr(pd.Series(sample.accuracy), method="kendall")
    assert rows[1]["τ"] == pytest.approx(order, abs=1e-3)
    lines = kept.read_text().splitlines()
    assert len(lines) == 10
    kept.write_text("\n".join(lines[:9]) + '\n{"key": "torn')
    calls: list[list[str]] = []

    def timed(spec: Any, names: list[str], *rest: Any) -> dict[str, tuple[float, float]]:
        calls.append(names)
        return dict.fromkeys(names, (0.0, 0.0))

    monkeypatch.setattr(bench, "_timed", timed)
    bench_zerocost(asked, Reporter())
    assert calls == [["params", "macs", "naswot"]]
    bench_zerocost(options(table, keep=kept, scores=("params", "zico")), Reporter())
    assert calls[1:] == [["zico"]] * 10
    bench_zerocost(options(table, keep=kept, scores=("params",), batch=9), Reporter())
    assert len(calls) == 21


def test_images_are_those_of_the_training_part() -> None:
    data, device = load_data("digits", limit=200), pick_device("cpu")
    batch = score_batch(data, 16, resolution=12, device=device)
    assert batch.images.shape == (16, 3, 12, 12)
    assert abs(float(batch.images.mean())) < 0.3
    other = score_batch(data, 16, resolution=12, device=device, seed=1)
    assert not np.array_equal(batch.labels, other.labels)
    with pytest.raises(InputError, match="a batch of 999 images; digits has"):
        score_batch(data, 999, resolution=12, device=device)
