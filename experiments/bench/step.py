"""The speed of a training step beside timm's same network, under the same settings, in turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from experiments.bench.timing import Rows, time_in_turns, timing_row
from experiments.device import Device, pick_device
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.libraries import import_library
from search_spaces.network import build
from search_spaces.spec import ArchSpec

__all__ = ["bench_step"]

TURNS = 15
PASSES = 3  # a training step computes about three times what a forward pass does
MATRIX = 8192
Step = Callable[[], None]
_Variant = tuple[nn.Module, torch.memory_format]


@dataclass(frozen=True, slots=True)
class _Case:
    """Names a network here and in timm, and the batch that it is timed with."""

    ours: str
    theirs: str
    batch: int
    resolution: int


CPU_CASES = (_Case("efficientnet_b0", "efficientnet_b0", 16, 224),)
CUDA_CASES = (
    _Case("efficientnet_b0", "efficientnet_b0", 256, 224),
    _Case("efficientnetv2_s", "efficientnetv2_s", 128, 300),
    _Case("efficientnet_b4", "efficientnet_b4", 64, 380),
)


def bench_step() -> Rows:
    """Times training steps (forward, backward, SGD) of our networks and timm's, in turns.

    On a CPU B0 in float32: timm's in its default layout and in channels_last, ours eager and
    compiled. On a GPU B0, V2-S and B4 in bfloat16, channels_last: timm's compiled, ours eager and
    compiled. `first step s` holds what compiling takes; `share of peak` is of what a large matrix
    product reaches in the same run.
    """
    device = pick_device("auto")
    cases = CUDA_CASES if device.is_cuda else CPU_CASES
    peak = _peak(device) if device.is_cuda else None
    return [row for case in cases for row in _case_rows(case, device, peak)]


def _case_rows(case: _Case, device: Device, peak: float | None) -> Iterator[dict[str, Any]]:
    spec = replace(catalog_spec(case.ours), dropout=0.0, drop_path=0.0, resolution=case.resolution)
    steps, first = {}, {}
    for name, (network, memory) in _variants(case, spec, device).items():
        start = time.perf_counter()
        if name.endswith("compiled"):
            device.compile(network)
        steps[name] = _step(network, case, device, memory)
        steps[name]()
        first[name] = time.perf_counter() - start
    seconds = time_in_turns(steps, TURNS)
    for name, taken in seconds.items():
        rate = case.batch / statistics.median(taken)
        share = {"share of peak": round(PASSES * cost(spec).macs * rate / peak, 3)} if peak else {}
        yield timing_row(
            f"{case.ours} step, {name}",
            taken,
            batch=case.batch,
            images_per_s=round(rate, 1),
            **{"first step s": round(first[name], 1)},
            **_ratios(seconds, name),
            **share,
        )


def _ratios(seconds: Mapping[str, list[float]], name: str) -> dict[str, float]:
    """Returns how many times as fast as each of timm's a network is: medians over the turns."""
    return {
        f"of {other}": round(
            statistics.median(b / a for a, b in zip(seconds[name], taken, strict=True)), 3
        )
        for other, taken in seconds.items()
        if other.startswith("timm")
    }


def _variants(case: _Case, spec: ArchSpec, device: Device) -> dict[str, _Variant]:
    create = import_library("timm").create_model
    packed = torch.channels_last
    ours = {"ours, eager": (build(spec), packed), "ours, compiled": (build(spec), packed)}
    if device.is_cuda:
        return {"timm, compiled": (create(case.theirs), packed), **ours}
    return {
        "timm, default layout": (create(case.theirs), torch.contiguous_format),
        "timm, channels_last": (create(case.theirs), packed),
        **ours,
    }


def _step(network: nn.Module, case: _Case, device: Device, memory: torch.memory_format) -> Step:
    network.to(device.torch).to(memory_format=memory)  # type: ignore[call-overload]
    network.train()
    shape = (case.batch, 3, case.resolution, case.resolution)
    images = torch.randn(shape, device=device.torch).to(memory_format=memory)
    labels = torch.randint(0, 1000, (case.batch,), device=device.torch)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step() -> None:
        with device.autocast():
            loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        device.synchronize()

    return step


def _peak(device: Device) -> float:
    """Returns the multiply-adds a second that a large bfloat16 matrix product reaches."""
    one = torch.randn(MATRIX, MATRIX, device=device.torch, dtype=torch.bfloat16)

    def product() -> None:
        torch.mm(one, one)
        device.synchronize()

    return float(MATRIX**3 / min(time_in_turns({"product": product}, 20)["product"]))
