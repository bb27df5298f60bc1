"""Measurements of this machine, side by side in one run: medians and spreads, never claims."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch

from experiments.device import pick_device
from search_spaces.catalog import catalog_spec
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.measured import MEASURED
from search_spaces.network import build
from search_spaces.space import SearchSpace
from search_spaces.spaces import make_space

__all__ = ["BENCHES", "bench_document"]

Rows = list[dict[str, Any]]


def _times(work: Callable[[], object], repeats: int) -> list[float]:
    work()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return seconds


def _row(name: str, seconds: list[float], **more: Any) -> dict[str, Any]:
    return {
        "what": name,
        "median ms": round(statistics.median(seconds) * 1e3, 4),
        "deviation ms": round(statistics.stdev(seconds) * 1e3, 4),
        "n": len(seconds),
        **more,
    }


def _fvcore_macs(network: torch.nn.Module, images: torch.Tensor) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from fvcore.nn import FlopCountAnalysis  # noqa: PLC0415 (warns when imported)

        analysis = FlopCountAnalysis(network, images)
        analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
        counted = analysis.by_operator()
    return int(counted["conv"] + counted["linear"])


def bench_cost() -> Rows:
    """Times the cost model against building EfficientNet-B0 and counting it with fvcore."""
    spec = catalog_spec("efficientnet_b0")
    images = torch.zeros(1, 3, spec.resolution, spec.resolution)
    network = build(spec).eval()
    ours, theirs = cost(spec).macs, _fvcore_macs(network, images)
    return [
        _row("cost(efficientnet_b0)", _times(lambda: cost(spec), 200), macs=ours),
        _row(
            "fvcore, network built", _times(lambda: _fvcore_macs(network, images), 5), macs=theirs
        ),
        _row("building the network", _times(lambda: build(spec), 5), macs=0),
    ]


def bench_tables() -> Rows:
    """Times the vectorised cost model, coding, and draws from windows of one network in a million.

    The large windows lie at the median MACs of their space, on the skeleton for 224×224.
    """
    rng = np.random.default_rng(0)
    space = MEASURED["accel_nasbench"].make()
    encoded = space.sample_encoded(rng, 100_000)
    mixed = make_space("mixed", image_size=224, num_classes=1000)
    rows = mixed.sample_encoded(rng, 10_000)
    mixed.decode_many(rows)  # the stages of its combinations are made once
    return [
        _rate("count", "accel_nasbench", 100_000, lambda: _count(encoded)),
        _rate("decode", "mixed", 10_000, lambda: mixed.decode_many(rows)),
        *_window_rows(space),
        *_window_rows(mixed),
        *_window_rows(make_space("mbconv", image_size=224, num_classes=1000)),
    ]


def _window_rows(space: SearchSpace) -> Rows:
    """Times the window that holds a millionth of a space around its median MACs, and draws."""
    rng = np.random.default_rng(0)
    macs = np.sort(space.tables.count(space.sample_encoded(rng, 200_000))[0])
    low = int(macs[100_000])
    high = low + int((macs[101_000] - macs[99_000]) / 0.01 * 1e-6)
    window = space.window(low, high)
    name = f"a millionth of {space.name}"
    made = _row(f"set up {name}", _times(partial(space.window, low, high), 3), specs_per_s=None)
    return [made, _rate("draw", name, 10_000, lambda: window.sample(rng, 10_000))]


def _rate(work: str, name: str, count: int, times: Callable[[], object]) -> dict[str, Any]:
    seconds = _times(times, 5)
    rate = round(count / statistics.median(seconds))
    return _row(f"{work} {count:,} of {name}", seconds, specs_per_s=rate)


def _count(encoded: np.ndarray) -> None:
    MEASURED["accel_nasbench"].make().tables.count(encoded)  # the tables are made each time


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

        seconds = _times(step, 5)
        rate = batch / statistics.median(seconds)
        rows.append(
            _row(f"efficientnet_b0 step, {name}", seconds, batch=batch, images_per_s=round(rate, 1))
        )
    return rows


def bench_startup() -> Rows:
    """Times `nas --help` and `nas list --json` from a cold process."""
    return [
        _row(f"nas {' '.join(words)}", _times(partial(_nas, *words), 10))
        for words in (("--help",), ("cost", "efficientnet_b0", "--json"))
    ]


def _nas(*words: str) -> None:
    command = [sys.executable, "-c", "from cli import main; main()", *words]
    subprocess.run(command, check=True, capture_output=True)


BENCHES: dict[str, Callable[[], Rows]] = {
    "cost": bench_cost,
    "tables": bench_tables,
    "step": bench_step,
    "startup": bench_startup,
}


def bench_document(what: str) -> dict[str, Rows]:
    """Runs one bench by name, or all; raises `InputError` for a name that is not known."""
    if what != "all" and what not in BENCHES:
        raise InputError(f"no bench is called {what!r}; they are all, {', '.join(BENCHES)}")
    return {name: bench() for name, bench in BENCHES.items() if what in ("all", name)}
