"""What fvcore counts, and that nothing it leaves out is dropped without a word."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from experiments import listing
from experiments.counting import FvcoreCount, count_with_fvcore, network_of_zeros
from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.cost import cost
from tests.conftest import Caller

TINY = ("cost", "mobilenetv2@0.1", "--resolution", 32, "--check")


def test_what_is_counted_and_what_is_not() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.SiLU())
    network += nn.Sequential(nn.Flatten(), nn.Linear(16, 5))
    counted = count_with_fvcore(network.eval(), torch.zeros(1, 3, 4, 4))
    assert counted.macs == 3 * 3 * 3 * 4 * 4 + 16 * 5
    assert counted.other_counted.keys() == {"batch_norm"}
    assert counted.uncounted == {"aten::relu": 1, "aten::silu": 1}


@pytest.mark.parametrize(
    ("name", "operators"),
    [
        ("efficientnet_b0", {"silu": 49, "sigmoid": 16, "mul": 16, "mean": 17, "add": 9}),
        ("resnet18", {"relu": 17, "add": 8, "max_pool2d": 1, "mean": 1}),
        ("mobilenetv2", {"hardtanh": 35, "add": 10, "mean": 1}),
    ],
)
def test_every_operator_without_a_count_is_named(name: str, operators: dict[str, int]) -> None:
    spec = replace(catalog_spec(name), resolution=32)
    counted = count_with_fvcore(network_of_zeros(spec), torch.zeros(1, 3, 32, 32))
    assert counted.uncounted == {f"aten::{op}": times for op, times in operators.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOG)
def test_every_published_network_counts_as_fvcore_counts_it(name: str) -> None:
    spec = catalog_spec(name)
    image = torch.zeros(1, spec.in_ch, spec.resolution, spec.resolution)
    assert count_with_fvcore(network_of_zeros(spec), image).macs == cost(spec).macs


def test_a_count_may_be_checked(call: Caller) -> None:
    document = call(*TINY, "--json").document
    checked = document["fvcore"]
    assert checked["equal"] is True
    assert checked["macs"] == document["macs"]
    assert checked["other_counted"]["batch_norm"] > 0
    assert checked["uncounted"]["aten::hardtanh"] == 35
    for_people = call(*TINY)
    assert (for_people.status, for_people.err) == (0, "")
    assert f"{document['macs']:,} MACs, the same" in for_people.out
    assert "aten::hardtanh 35" in for_people.out


def test_counts_that_differ_fail(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "experiments.counting.count_with_fvcore", lambda *_: FvcoreCount(7, {}, {"aten::fft": 2})
    )
    assert listing.check_document(catalog_spec("mobilenetv2"))["equal"] is False
    outcome = call(*TINY)
    assert outcome.status == 1
    assert outcome.err.count("\n") == 1
    assert "fvcore counts 7" in outcome.err
    assert "aten::fft 2" in outcome.out
