"""The memory estimates of `cost` beside what torch really keeps."""

from __future__ import annotations

from typing import Any

import torch

from experiments.bench.timing import Rows
from experiments.memory import (
    measured_inference_memory,
    measured_step_memory,
    measured_training_memory,
)
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.spec import ArchSpec

__all__ = ["bench_memory"]

NETWORKS = (
    *(f"efficientnet_b{number}" for number in range(5)),
    "efficientnetv2_s",
    "mobilenetv3_large",
    "resnet50",
)


def bench_memory() -> Rows:
    """Compares estimates and measurements, in MiB, at each network's own resolution.

    On a GPU the measurements are its allocator's peaks, at a batch of 32; elsewhere, at a batch of
    4, what saved-tensor hooks see and which storages are alive, on torch's `meta` device. A whole
    step is measured on `meta` in any case.
    """
    device, batch = ("cuda", 32) if torch.cuda.is_available() else ("meta", 4)
    return [_row(catalog_spec(name), batch, device) for name in NETWORKS]


def _row(spec: ArchSpec, batch: int, device: str) -> dict[str, Any]:
    counted = cost(spec, batch=batch)
    trained = measured_training_memory(spec, batch=batch, device=device)
    step = measured_step_memory(spec, batch=batch)
    inferred = measured_inference_memory(spec, batch=batch, device=device)
    return {
        "entry": spec.name,
        "side": spec.resolution,
        "batch": batch,
        "on": device,
        "training": _mib(counted.train_memory_bytes),
        "measured": _mib(trained),
        "ratio": round(counted.train_memory_bytes / trained, 3),
        "whole step": _mib(step),
        "step ratio": round(counted.train_memory_bytes / step, 3),
        "inference": _mib(counted.inference_memory_bytes),
        "inference measured": _mib(inferred),
        "inference ratio": round(counted.inference_memory_bytes / inferred, 3),
    }


def _mib(count: int) -> float:
    return round(count / 2**20, 1)
