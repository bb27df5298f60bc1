"""Where a training step's time goes on a CPU, by torch's profiler: operators and their share."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from experiments.bench.timing import Rows
from experiments.device import Device
from search_spaces.catalog import catalog_spec
from search_spaces.network import build

__all__ = ["bench_profile"]

BATCH, SIDE, STEPS = 16, 224, 3
OPERATORS = 8


def bench_profile() -> Rows:
    """Profiles EfficientNet-B0's training step in float32, eager and compiled, by operator.

    `share` is of all operators' own processor time in the main thread.
    """
    device = Device(torch.device("cpu"))
    spec = replace(catalog_spec("efficientnet_b0"), dropout=0.0, drop_path=0.0, resolution=SIDE)
    eager, compiled = device.place(build(spec)), device.place(build(spec))
    device.compile(compiled)
    return [*_rows("eager", eager), *_rows("compiled", compiled)]


def _rows(name: str, network: nn.Module) -> Rows:
    spent = _spent(network)
    whole = sum(spent.values())
    return [
        {
            "what": f"efficientnet_b0, {name}",
            "operator": operator,
            "ms a step": round(microseconds / 1e3 / STEPS, 1),
            "share": round(microseconds / whole, 3),
        }
        for operator, microseconds in spent.most_common(OPERATORS)
    ]


def _spent(network: nn.Module) -> Counter[str]:
    """Returns each operator's own microseconds in a few steps."""
    images = torch.randn(BATCH, 3, SIDE, SIDE).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 1000, (BATCH,))

    def step() -> None:
        network.zero_grad(set_to_none=True)
        torch.autograd.backward(nn.functional.cross_entropy(network(images), labels))

    network.train()
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(STEPS):
            step()
    events = profiled.key_averages()
    return Counter({event.key: int(event.self_cpu_time_total) for event in events})
