"""The estimates of `cost`, held to what torch really keeps; and the measurements themselves."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from experiments.memory import (
    LiveBytes,
    measured_inference_memory,
    measured_step_memory,
    measured_training_memory,
    saved_bytes,
)
from search_spaces.catalog import CATALOG, catalog_spec
from search_spaces.cost import cost
from search_spaces.network import build
from search_spaces.spec import ArchSpec
from tests.search_spaces.strategies import arch_specs

KIB = 1024
VARIED = [
    ("efficientnet_b0", "silu", "symmetric"),
    ("efficientnet_lite0", "relu6", "symmetric"),
    ("efficientnetv2_s", "silu", "same"),
    ("mnasnet_a1", "relu", "symmetric"),
    ("mnasnet_a1", "relu", "same"),
    ("mobilenetv2", "hard_swish", "symmetric"),
    ("resnet50", "relu", "symmetric"),
    ("resnet18", "silu", "same"),
    ("mobilenetv1", "relu6", "symmetric"),
    ("mobilenetv3_large", "hard_swish", "symmetric"),
]


def small(name: str, **changes: object) -> ArchSpec:
    return replace(catalog_spec(name), resolution=64, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "act", "padding"), VARIED)
def test_estimates_are_near_what_torch_keeps(name: str, act: str, padding: str) -> None:
    spec = small(name, act=act, padding=padding)
    counted = cost(spec, batch=4)
    trained = measured_training_memory(spec, batch=4, device="meta")
    assert counted.train_memory_bytes == pytest.approx(trained, rel=0.03)
    inferred = measured_inference_memory(spec, batch=4, device="meta")
    assert counted.inference_memory_bytes == pytest.approx(inferred, rel=0.03)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(spec=arch_specs())
def test_estimates_hold_for_any_spec(spec: ArchSpec) -> None:
    counted = cost(spec, batch=2)
    with torch.device("meta"):
        norms = [m for m in build(spec).modules() if isinstance(m, nn.BatchNorm2d)]
    statistics = sum(8 + 4 * 4 * norm.num_features for norm in norms)  # left out by the estimates
    for estimate, measure in (
        (counted.train_memory_bytes, measured_training_memory),
        (counted.inference_memory_bytes, measured_inference_memory),
    ):
        measured = measure(spec, batch=2, device="meta")
        # Networks of three layers on fifteen pixels are where one tensor more or less shows most.
        assert abs(estimate - measured) <= 0.35 * measured + statistics


def test_meta_keeps_what_a_cpu_keeps() -> None:
    spec = small("efficientnet_b0")
    for measure in (measured_training_memory, measured_inference_memory, measured_step_memory):
        there, here = (measure(spec, batch=2, device=device) for device in ("meta", "cpu"))
        assert there == pytest.approx(here, rel=1e-3)  # eval-mode BatchNorm's statistics differ


@pytest.mark.parametrize("name", ["efficientnet_b0", "efficientnetv2_s"])
def test_nothing_in_a_whole_step_takes_much_more(name: str) -> None:
    spec = catalog_spec(name)
    peak = measured_step_memory(spec, batch=2)
    assert cost(spec, batch=2).train_memory_bytes == pytest.approx(peak, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOG)
def test_estimates_are_near_for_every_published_network(name: str) -> None:
    spec = catalog_spec(name)
    counted = cost(spec, batch=2)
    trained = measured_training_memory(spec, batch=2, device="meta")
    assert counted.train_memory_bytes == pytest.approx(trained, rel=0.01)
    inferred = measured_inference_memory(spec, batch=2, device="meta")
    assert counted.inference_memory_bytes == pytest.approx(inferred, rel=0.01)


@pytest.mark.slow
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", [*(f"efficientnet_b{n}" for n in range(5)), "efficientnetv2_s"])
def test_the_estimate_is_near_a_gpus_peak(name: str) -> None:
    spec = catalog_spec(name)
    peak = measured_training_memory(spec, batch=32, device="cuda")
    assert cost(spec, batch=32).train_memory_bytes == pytest.approx(peak, rel=0.1)


def test_backward_keeps_what_it_reads() -> None:
    layer = nn.Linear(256, 256, bias=False)
    one, two = torch.zeros(1, 256), torch.zeros(1, 256)
    assert saved_bytes(layer, one) == KIB  # the input alone: weights are the network's own
    assert saved_bytes(nn.Sequential(layer, nn.Tanh()), two) == 2 * KIB


def test_live_bytes_come_and_go() -> None:
    start = torch.zeros(256)
    with LiveBytes([start, start.view(16, 16)]) as live:
        assert live.now == KIB
        first = start + 1
        second = first + 1
        del first
        assert (live.now, live.peak) == (2 * KIB, 3 * KIB)
        second.add_(1)
        assert live.peak == 3 * KIB
    del second, start
    assert live.now == 0
