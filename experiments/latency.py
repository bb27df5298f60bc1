"""How long a network takes on a device: warmed up, synchronised, a median with its quartiles."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import psutil
import torch
from torch import Tensor, nn

from experiments.allocator import keep_freed_memory
from experiments.device import Device
from search_spaces.cost import cost, stage_cost
from search_spaces.errors import InputError, RunError
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec

__all__ = [
    "Timing",
    "Work",
    "check_memory",
    "default_batch",
    "device_facts",
    "fitting",
    "measure",
    "optimizer_of",
    "prepare",
    "random_images",
    "run_time",
    "warm_up",
]

Work = Literal["inference", "training"]

FEWEST_SAMPLES = 7
FEWEST_WARM_UPS = 3
WARM_UP_SHARE = 0.25  # of the time that is measured
BYTES_PER_VALUE = 4


@dataclass(frozen=True, slots=True)
class Timing:
    """Holds seconds a run: their median and quartiles, over `n` samples after `warm_ups` runs."""

    median: float
    low: float
    high: float
    n: int
    warm_ups: int

    @property
    def spread(self) -> float:
        """Returns the distance between the quartiles, in seconds."""
        return self.high - self.low

    @staticmethod
    def of(seconds: list[float], warm_ups: int) -> Timing:
        """Sums up samples in seconds."""
        low, median, high = np.quantile(seconds, [0.25, 0.5, 0.75])
        return Timing(float(median), float(low), float(high), len(seconds), warm_ups)


def prepare(spec: ArchSpec, *, device: Device, batch: int, work: Work) -> Callable[[], object]:
    """Builds a network with random weights and images; returns what runs it once.

    Inference is a forward pass without gradients, training a step: forward, cross-entropy loss,
    backward, SGD with momentum. Nothing waits for the device.
    Raises `InputError` for work that is not known.
    """
    if work not in get_args(Work):
        raise InputError(f"no work is called {work!r}; it is inference or training")
    network = device.place(build(spec))
    images = random_images(spec, batch, device)
    return (
        _inference(network, images, device)
        if work == "inference"
        else _training(network, images, device)
    )


def random_images(spec: ArchSpec, batch: int, device: Device) -> Tensor:
    """Returns normally distributed images (batch, in_ch, side, side), channels_last."""
    images = torch.randn(batch, spec.in_ch, spec.resolution, spec.resolution, device=device.torch)
    return images.to(memory_format=torch.channels_last)


def optimizer_of(module: nn.Module) -> torch.optim.Optimizer:
    """Returns what a timed training step steps with; the rate leaves the weights as they are."""
    return torch.optim.SGD(module.parameters(), lr=1e-9, momentum=0.9, nesterov=True)


def _inference(network: Network, images: Tensor, device: Device) -> Callable[[], object]:
    network.eval()

    def run() -> object:
        with torch.inference_mode(), device.autocast():
            return network(images)

    return run


def _training(network: Network, images: Tensor, device: Device) -> Callable[[], object]:
    network.train()
    optimizer = optimizer_of(network)
    labels = torch.randint(network.spec.num_classes, (len(images),), device=device.torch)

    def run() -> None:
        with device.autocast():
            loss = nn.functional.cross_entropy(network(images), labels)
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return run


def run_time(run: Callable[[], object], device: Device) -> float:
    """Returns the seconds of one run, until the device has finished it."""
    start = time.perf_counter()
    run()
    device.synchronize()
    return time.perf_counter() - start


def warm_up(
    run: Callable[[], object], device: Device, *, seconds: float, fewest: int = FEWEST_WARM_UPS
) -> int:
    """Runs until `seconds` are over, `fewest` times at least; returns how often."""
    runs, left = 0, seconds
    while runs < fewest or left > 0:
        left -= run_time(run, device)
        runs += 1
    return runs


def measure(
    spec: ArchSpec,
    *,
    device: Device,
    batch: int = 1,
    work: Work = "inference",
    seconds: float = 1.0,
) -> Timing:
    """Times a network for about `seconds` after a warm-up, seven samples at least.

    Each sample is one run (torch.utils.benchmark's timer averages blocks of runs, which hides how
    far single runs are spread).
    Raises `RunError` in one line where it does not fit in the device's memory.
    """
    with fitting(spec, device=device, batch=batch, work=work):
        run = prepare(spec, device=device, batch=batch, work=work)
        warm_ups = warm_up(run, device, seconds=WARM_UP_SHARE * seconds)
        samples, left = list[float](), seconds
        while len(samples) < FEWEST_SAMPLES or left > 0:
            samples.append(run_time(run, device))
            left -= samples[-1]
    return Timing.of(samples, warm_ups)


@contextlib.contextmanager
def fitting(spec: ArchSpec, *, device: Device, batch: int, work: Work) -> Iterator[None]:
    """Turns a lack of memory, foreseen or met, or a batch too small to train on into one line."""
    check_memory(spec, device=device, batch=batch, work=work)
    if not device.is_cuda:
        keep_freed_memory()
    what = _described(spec, batch, work)
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError):
        raise RunError(f"{what} does not fit in the memory of {device.torch}") from None
    except RuntimeError as error:
        if "memory" not in str(error).lower():
            raise
        raise RunError(f"{what} does not fit in the memory of {device.torch}") from None
    except ValueError as error:
        if "more than 1 value per channel" not in str(error):
            raise
        raise RunError(f"{what}: BatchNorm needs a --batch of at least 2 here") from None


def _described(spec: ArchSpec, batch: int, work: Work) -> str:
    return f"{spec.name} at {spec.resolution}×{spec.resolution}, {work} with batch {batch}"


def check_memory(spec: ArchSpec, *, device: Device, batch: int, work: Work) -> None:
    """Raises `RunError` where the CPU's memory will not do; a GPU refuses by itself.

    A system short of memory may kill the process instead, so it is asked beforehand.
    """
    if device.is_cuda:
        return
    needed, free = _memory(spec, batch, work), psutil.virtual_memory().available
    if needed > free:
        raise RunError(
            f"{_described(spec, batch, work)} needs about {needed / 2**30:.1f} GiB and "
            f"{free / 2**30:.1f} GiB are free; choose a smaller --batch or --resolution"
        )


def _memory(spec: ArchSpec, batch: int, work: Work) -> int:
    """Estimates bytes: what training keeps, or weights and twice the largest block's outputs."""
    counted = cost(spec, batch=batch)
    if work == "training":
        return counted.train_memory_bytes
    side, largest = counted.stages[0].side, counted.stages[0].activations
    for stage in spec.stage_blocks():
        for block in stage:
            one = stage_cost("", [block], side)
            side, largest = one.side, max(largest, one.activations)
    return BYTES_PER_VALUE * (counted.params + 2 * largest * batch)


def default_batch(device: Device) -> int:
    """Returns the batch at which throughput and training steps are timed."""
    return 128 if device.is_cuda else 16


def device_facts(device: Device) -> dict[str, Any]:
    """Returns what a time depends on besides the network."""
    return {
        "device": device.torch.type,
        "model": _cuda_model(device) if device.is_cuda else _cpu_model(),
        "threads": torch.get_num_threads(),
        "precision": "bfloat16" if device.is_cuda else "float32",
        "torch": torch.__version__,
    }


def _cuda_model(device: Device) -> str:
    return torch.cuda.get_device_name(device.torch)


def _cpu_model() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
