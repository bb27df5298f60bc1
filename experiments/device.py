"""Which device trains, at which precision, in which memory format."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TypeVar

import psutil
import torch
from torch import nn

from experiments.determinism import deterministic_torch
from search_spaces.errors import InputError

__all__ = ["Device", "pick_device"]

CROWDED_PERCENT = 40.0
NetworkT = TypeVar("NetworkT", bound=nn.Module)


@dataclass(frozen=True, slots=True)
class Device:
    """Holds a torch device; CUDA trains in bfloat16, the CPU in float32, both channels_last.

    A `deterministic` GPU computes bitwise the same again, more slowly; a CPU does so anyway.
    """

    torch: torch.device
    deterministic: bool = False

    @property
    def is_cuda(self) -> bool:
        """Tells whether the device is a GPU."""
        return self.torch.type == "cuda"

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Computes in bfloat16 on a GPU, in float32 elsewhere."""
        with torch.autocast("cuda", torch.bfloat16, enabled=self.is_cuda):
            yield

    def exactly(self) -> AbstractContextManager[None]:
        """Computes bitwise the same again, where the device was asked to and would not anyway."""
        wanted = self.deterministic and self.is_cuda
        return deterministic_torch() if wanted else contextlib.nullcontext()

    def memory(self) -> int:
        """Counts bytes: on a GPU the most that was allocated, else what the process holds."""
        if self.is_cuda:
            return int(torch.cuda.max_memory_allocated(self.torch))
        return int(psutil.Process().memory_info().rss)

    def place(self, network: NetworkT) -> NetworkT:
        """Moves a network here, its weights channels_last."""
        network.to(self.torch)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return network

    def compile(self, network: nn.Module) -> None:
        """Makes a network train faster in place: torch.compile on a GPU, our kernels on a CPU.

        Raises `InputError` where the CPU's kernels cannot be built.
        """
        if self.is_cuda:
            network.compile()
            return
        from search_spaces.kernels.modules import use_kernels  # noqa: PLC0415 (rarely needed)

        use_kernels(network)

    def crowded(self) -> bool:
        """Tells whether other processes keep the cores busy that this one is going to share.

        Threads that wait for one another on a busy core lose far more time than they save.
        """
        if self.is_cuda or torch.get_num_threads() == 1:
            return False
        return psutil.cpu_percent(interval=0.3) > CROWDED_PERCENT

    def synchronize(self) -> None:
        """Waits until the device has finished what it was given."""
        if self.is_cuda:
            torch.cuda.synchronize(self.torch)


def pick_device(name: str = "auto", *, deterministic: bool = False) -> Device:
    """Returns the device called `auto`, `cpu`, `cuda` or `cuda:1`.

    Raises `InputError` for a name that is not known or a GPU that is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name != "cpu" and not name.startswith("cuda"):
        raise InputError(f"no device is called {name!r}; it must be auto, cpu, cuda or cuda:N")
    if name.startswith("cuda") and not torch.cuda.is_available():
        raise InputError(f"device {name!r}: torch {torch.__version__} finds no GPU; use cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise InputError(f"no device is called {name!r}; a GPU is cuda or cuda:N") from None
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise InputError(f"device {name!r}: there are only {torch.cuda.device_count()} GPUs")
    return Device(device, deterministic)
