"""What the benches say, apart from how long things take."""

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.bench import catalog as bench
from experiments.bench import cost as cost_bench
from experiments.references import SMALL
from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.cost import cost
from search_spaces.foreign import load_foreign
from search_spaces.libraries import missing_for
from search_spaces.network import Network
from tests.conftest import ROOT, Caller

PAIR = next(pair for pair in SMALL if pair.theirs == "mobilenetv3_small_100")
SAME = 1e-4
needs_timm = pytest.mark.skipif(bool(missing_for("timm")), reason="needs timm and torchvision")


def test_the_documented_table_is_counted() -> None:
    page = (ROOT / "docs" / "catalog.md").read_text(encoding="utf-8").split("## Where")[0]
    rows = [line.strip("| ").split(" | ") for line in page.splitlines() if " | " in line][1:]
    assert set(CATALOG) <= {name for name, *_ in rows}
    for name, side, params, there, macs, fvcore, *_ in rows:
        counted = cost(catalog_spec(name))
        assert (side, params, macs) == (
            str(counted.resolution), f"{counted.params:,}", f"{counted.macs:,}",
        )  # fmt: skip
        assert (params, macs) == (there, fvcore)


@needs_timm
def test_a_row_of_the_catalog(monkeypatch: pytest.MonkeyPatch, call: Caller) -> None:
    entries = {name: CATALOG[name] for name in (PAIR.ours, "mnasnet_small")}
    monkeypatch.setattr(bench, "PAIRS", (PAIR,))
    monkeypatch.setattr(bench, "CATALOG", entries)
    shared, alone = call("bench", "catalog", "--json").document["catalog"]
    assert shared["params"] == shared["params there"] == 2_542_856
    assert shared["MACs"] == shared["fvcore"] == cost(PAIR.spec(224)).macs
    assert shared["largest difference"] < SAME
    assert shared["logits ±"] > 0.05
    assert shared["same as"] == "timm mobilenetv3_small_100"
    assert (alone["params there"], alone["largest difference"]) == (None, None)
    assert "2,542,856" in call("bench", "catalog").out


@needs_timm
def test_weights_that_differ_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrongly(network: Network, state: Mapping[str, Tensor]) -> None:
        load_foreign(network, state)
        with torch.no_grad():
            network.stem.norm.bias.add_(0.1)

    monkeypatch.setattr(bench, "load_foreign", wrongly)
    difference, _ = bench.compare_logits(PAIR)
    assert difference > 10 * SAME


def test_libraries_that_are_missing_are_named(
    monkeypatch: pytest.MonkeyPatch, call: Caller
) -> None:
    hidden = ("torchvision", "timm")
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *more: None if name in hidden else find_spec(name)
    )
    outcome = call("bench", "catalog")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("nas: torchvision and timm are not installed; `pip install ")
    assert outcome.err.count("\n") == 1


def test_counters_agree_or_say_that_they_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_bench, "NETWORKS", {"mobilenetv2@0.1": "mobilenetv2_035"})
    monkeypatch.setattr(cost_bench, "SLOW", 2)
    installed = {row["what"].partition(",")[0]: row for row in cost_bench.bench_cost()}
    assert installed["fvcore"]["macs"] == installed["cost(mobilenetv2@0.1)"]["macs"]
    monkeypatch.setattr(cost_bench, "missing_for", lambda name: [name])
    rows: list[dict[str, Any]] = cost_bench.bench_cost()
    assert {row["what"].rpartition(": ")[2] for row in rows[2:]} == {
        "fvcore not installed",
        "ptflops not installed",
        "torchinfo not installed",
        "timm not installed",
    }
