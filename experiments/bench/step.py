"""The speed of a training step, in both memory formats."""

from __future__ import annotations

import statistics

import torch

from experiments.bench.timing import Rows, time_repeats, timing_row
from experiments.device import pick_device
from search_spaces.catalog import catalog_spec
from search_spaces.network import build

__all__ = ["bench_step"]


def bench_step() -> Rows:
    """Times a training step of EfficientNet-B0 in both memory formats, on the best device."""
    device = pick_device("auto")
    batch, side = (128, 224) if device.is_cuda else (16, 224)
    rows = []
    for name, memory in (
        ("contiguous", torch.contiguous_format),
        ("channels_last", torch.channels_last),
    ):
        network = build(catalog_spec("efficientnet_b0")).to(device.torch)
        network.to(memory_format=memory)  # type: ignore[call-overload]
        images = torch.randn(batch, 3, side, side, device=device.torch).to(memory_format=memory)
        labels = torch.randint(0, 1000, (batch,), device=device.torch)

        def step(
            network: torch.nn.Module = network,
            images: torch.Tensor = images,
            labels: torch.Tensor = labels,
        ) -> None:
            with device.autocast():
                loss = torch.nn.functional.cross_entropy(network(images), labels)
            network.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            device.synchronize()

        seconds = time_repeats(step, 5)
        rate = round(batch / statistics.median(seconds), 1)
        what = f"efficientnet_b0 step, {name}"
        rows.append(timing_row(what, seconds, batch=batch, images_per_s=rate))
    return rows
