from pathlib import Path

import pytest

from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from tests.conftest import Caller
from tests.test_cli_errors import assert_refused

NETWORK = ("mobilenetv2@0.35", "--resolution", 16)
TIMED = ("cost", *NETWORK, "--latency", "--device", "cpu", "--time", "0.05s")
BLOCKS = (
    *("bench", "blocks", "--space", "nas_bench_macro", "--resolution", 8, "--classes", 10),
    *("--device", "cpu", "--visits", 1, "--table", "blocks.json"),
)


def test_times_of_a_network(call: Caller) -> None:
    document = call(*TIMED, "--batch", 2, "--json").document
    timing = document["timing"]
    assert document["macs"] == cost(catalog_spec("mobilenetv2@0.35"), resolution=16).macs
    assert timing["device"] == "cpu"
    assert timing["threads"] >= 1
    for name, batch in (("latency", 1), ("throughput", 2), ("training_step", 2)):
        row = timing[name]
        assert 0 < row["low_s"] <= row["median_s"] <= row["high_s"]
        assert row["spread_s"] == row["high_s"] - row["low_s"]
        assert row["images_per_s"] == pytest.approx(batch / row["median_s"])
        assert (row["batch"], row["n"] >= 7, row["warm_ups"] >= 3) == (batch, True, True)


def test_times_for_people(call: Caller) -> None:
    outcome = call(*TIMED, "--batch", 2, "--no-step")
    assert (outcome.status, outcome.err) == (0, "")
    assert "throughput" in outcome.out
    assert "training step" not in outcome.out
    assert "float32, torch" in outcome.out


def test_a_comparison(call: Caller) -> None:
    against = (*TIMED, "--against", "mobilenetv2@0.1")
    document = call(*against, "--json").document
    assert document["timing"]["against"] == "mobilenetv2@0.1"
    found = document["timing"]["comparison"]
    assert set(found) == {"ratio", "low", "high", "different", "n"}
    assert found["low"] <= found["ratio"] <= found["high"]
    for_people = call(*against).out
    assert "as fast as" in for_people or "cannot be told apart" in for_people


def test_a_table_is_filled_checked_and_predicts(
    call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.table_build.PIECES_SECONDS", 0.01)
    monkeypatch.setattr("experiments.table_build.WHOLE_SECONDS", 0.01)
    monkeypatch.setattr("experiments.bench.latency.TEST_SECONDS", 0.01)
    monkeypatch.setattr("experiments.bench.latency.TEST_NETWORKS", 4)
    (short,) = call(*BLOCKS, "--time", "0.001s", "--json").document["blocks"]
    assert short["finished"] == "no: run it again"
    (row,) = call(*BLOCKS, "--json").document["blocks"]
    assert row["finished"] == "yes"
    assert row["not yet measured"] == 0
    assert row["times each, at least"] >= 1
    (accuracy,) = call("bench", "latency", "--table", "blocks.json", "--json").document["latency"]
    assert accuracy["networks"] == 4
    assert accuracy["median error %"] >= 0
    assert -1 <= accuracy["Kendall τ"] <= 1
    predict = ("--latency", "--table", "blocks.json")
    outcome = call("cost", "mobilenetv2", *predict)
    assert_refused(outcome, "mobilenetv2: the table has no time for 'stem 224px: 3>32 k3 s2 relu6'")
    outcome = call("bench", "latency", "--table", "blocks.json", "--space", "mixed")
    assert_refused(outcome, "blocks.json was made for space nas_bench_macro, not mixed")
    outcome = call(*BLOCKS, "--batch", 2)
    assert_refused(outcome, "blocks.json was made for batch 1, not 2; choose another --table")
    assert [path.name for path in tmp_path.iterdir()] == ["blocks.json"]


def test_a_prediction(call: Caller, tmp_path: Path) -> None:
    from experiments.latency_table import LatencyTable
    from search_spaces.latency import piece_keys
    from tests.experiments.test_latency_table import MADE_FOR

    spec = catalog_spec("mobilenetv2")
    pieces = {key: [1e-3] for key in piece_keys(spec)}
    table = LatencyTable(made_for=MADE_FOR, pieces=pieces, scale=2, offset=1e-3)
    table.save(tmp_path / "table.json")
    words = ("cost", "mobilenetv2", "--latency", "--table", "table.json")
    timing = call(*words, "--json").document["timing"]
    assert timing["predicted_s"] == pytest.approx(2e-3 * len(piece_keys(spec)) + 1e-3)
    assert timing["model"] == "some processor"
    for_people = call(*words).out
    assert "mobilenetv2 at 224×224: latency at batch 1 about 39.000 ms" in for_people
    assert "predicted from table.json" in for_people


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("cost", *NETWORK, "--device", "cpu"), "--device belongs to --latency; add it"),
        (("cost", *NETWORK, "--no-step"), "--no-step belongs to --latency"),
        (("cost", *NETWORK, "--against", "resnet50"), "--against belongs to --latency"),
        (("cost", *NETWORK, "--latency", "--device", "gpu"), "no device is called 'gpu'"),
        (("cost", *NETWORK, "--latency", "--time", "soon"), "--time 'soon' cannot be read"),
        (("cost", *NETWORK, "--latency", "--against", "resnet51"), "did you mean resnet50"),
        (("cost", *NETWORK, "--latency", "--table", "no.json"), "no.json: there is no such table"),
        (
            ("cost", *NETWORK, "--latency", "--table", "no.json", "--device", "cpu"),
            "--device is for measuring; --table predicts and measures nothing",
        ),
        (
            ("cost", *NETWORK, "--latency", "--table", "no.json", "--batch", 2),
            "--batch is for measuring; --table predicts and measures nothing",
        ),
        (("bench", "blocks"), "Missing option '--table'"),
        (("bench", "latency"), "Missing option '--table'"),
        (("bench", "latency", "--table", "no.json"), "no.json: there is no such table"),
        ((*BLOCKS[:4], "--table", "t.json", "--space", "mixd"), "did you mean 'mixed'?"),
        ((*BLOCKS, "--time", "soon"), "--time 'soon' cannot be read"),
        ((*BLOCKS, "--resolution", 9999), "resolution is 9999"),
    ],
)
def test_a_bad_input_gets_one_line(
    call: Caller, tmp_path: Path, words: tuple[object, ...], message: str
) -> None:
    assert_refused(call(*words), message)
    assert list(tmp_path.iterdir()) == []


def test_a_network_too_large_for_the_memory_fails_in_one_line(call: Caller) -> None:
    outcome = call("cost", "efficientnet_b7", "--latency", "--device", "cpu", "--batch", 60000)
    assert_refused(outcome, "efficientnet_b7 at 600×600, inference with batch 60000 needs", 1)
