"""Seconds of each piece of a network while the whole network runs.

A block alone in a loop finds its input and its weights in the cache; in its network it does not.
So the clock is read at the borders of the blocks as a whole network runs: what one piece takes is
what it adds, and the pieces of a network add up to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from experiments.device import Device
from experiments.latency import Work, fitting, optimizer_of, random_images
from search_spaces.blocks import Block
from search_spaces.network import Network, build
from search_spaces.spec import ArchSpec

__all__ = ["piece_times"]

FEWEST_PASSES = 5
FEWEST_WARM_UPS = 2


class _Clock:
    """Notes moments; on a GPU they are events in its queue, read when it has finished."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.moments: list[Any] = []

    def mark(self, *_: object) -> None:
        """Notes that the device has come to here."""
        if self.device.is_cuda:
            event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            event.record(torch.cuda.current_stream(self.device.torch))
            self.moments.append(event)
        else:
            self.moments.append(time.perf_counter())

    def take(self) -> list[float]:
        """Returns the seconds between the moments, and forgets them."""
        self.device.synchronize()
        moments, self.moments = self.moments, []
        if self.device.is_cuda:
            return [a.elapsed_time(b) / 1e3 for a, b in pairwise(moments)]
        return [b - a for a, b in pairwise(moments)]


def piece_times(
    spec: ArchSpec,
    *,
    device: Device,
    batch: int = 1,
    work: Work = "inference",
    seconds: float = 0.2,
) -> list[float]:
    """Returns the median seconds of stem, blocks and tail, in the order of `piece_keys`.

    Runs the network for about `seconds` besides a warm-up. A piece of a training step is its
    forward and backward pass and its optimizer step; the loss belongs to the tail.
    Raises `RunError` in one line where the network does not fit in the device's memory.
    """
    with fitting(spec, device=device, batch=batch, work=work):
        network = device.place(build(spec))
        clock = _Clock(device)
        once = _inference if work == "inference" else _training
        run = once(network, random_images(spec, batch, device), device, clock)
        rows: list[list[float]] = []
        passes, end = 0, time.perf_counter() + seconds
        while len(rows) < FEWEST_PASSES or time.perf_counter() < end:
            taken = run()
            passes += 1
            if passes > FEWEST_WARM_UPS:
                rows.append(taken)
            else:
                end = time.perf_counter() + seconds
    return [float(value) for value in np.median(rows, axis=0)]


def _blocks(network: Network) -> list[Block]:
    return [module for module in network.modules() if isinstance(module, Block)]


def _inference(
    network: Network, images: Tensor, device: Device, clock: _Clock
) -> Callable[[], list[float]]:
    network.eval()
    blocks = _blocks(network)
    blocks[0].register_forward_pre_hook(clock.mark)
    for block in blocks:
        block.register_forward_hook(clock.mark)

    def run() -> list[float]:
        clock.mark()
        with torch.inference_mode(), device.autocast():
            network(images)
        clock.mark()
        return clock.take()

    return run


def _training(
    network: Network, images: Tensor, device: Device, clock: _Clock
) -> Callable[[], list[float]]:
    network.train()
    blocks = _blocks(network)
    blocks[0].register_forward_pre_hook(lambda _, inputs: _border(clock, *inputs))
    for block in blocks:
        block.register_forward_hook(lambda _, __, output: _border(clock, output))
    optimizers = [optimizer_of(piece) for piece in _pieces(network, blocks)]
    labels = torch.randint(network.spec.num_classes, (len(images),), device=device.torch)

    def run() -> list[float]:
        clock.mark()
        with device.autocast():
            loss = nn.functional.cross_entropy(network(images), labels)
        clock.mark()
        forward = clock.take()
        clock.mark()
        torch.autograd.backward(loss)
        clock.mark()
        backward = clock.take()[::-1]
        clock.mark()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            clock.mark()
        return [sum(parts) for parts in zip(forward, backward, clock.take(), strict=True)]

    return run


def _border(clock: _Clock, output: Tensor) -> None:
    """Marks that the forward pass reached `output`, and later that its gradient is complete."""
    clock.mark()
    output.register_hook(clock.mark)  # type: ignore[no-untyped-call]


def _pieces(network: Network, blocks: list[Block]) -> list[nn.Module]:
    tail = nn.ModuleList([network.head, network.hidden, network.classifier])
    return [nn.ModuleList([network.stem, network.stem_pool]), *blocks, tail]
