"""Whether a network trains on a machine, and with how many images at once, by the memory model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from search_spaces.train_memory import train_memory

__all__ = ["USABLE", "Fit", "Machine", "fit_on"]

USABLE = 0.9  # the rest is for the driver, what kernels work in, and memory in pieces


@dataclass(frozen=True, slots=True)
class Machine:
    """Describes what trains: its memory in bytes (None: not known) and the images of a step.

    A GPU trains in bfloat16, the CPU in float32. Raises `InputError` for no memory or batch.
    """

    device: str = "cpu"
    memory_bytes: int | None = None
    batch: int = 64

    def __post_init__(self) -> None:
        if self.batch < 1 or (self.memory_bytes is not None and self.memory_bytes < 1):
            raise InputError(
                f"batch {self.batch} and memory {self.memory_bytes} bytes must both be positive"
            )

    @property
    def is_cuda(self) -> bool:
        """Tells whether the device is a GPU."""
        return self.device.startswith("cuda")

    @property
    def usable_bytes(self) -> int | None:
        """Returns nine tenths of the memory: what a training may take by the model."""
        return None if self.memory_bytes is None else int(USABLE * self.memory_bytes)

    def as_dict(self) -> dict[str, Any]:
        """Returns the machine as a JSON document holds it."""
        return {
            "name": self.device,
            "precision": "bfloat16" if self.is_cuda else "float32",
            "memory_bytes": self.memory_bytes,
            "usable_bytes": self.usable_bytes,
            "batch": self.batch,
        }


@dataclass(frozen=True, slots=True)
class Fit:
    """Says what a training step takes, in bytes, and whether it fits (None: no memory is known).

    `largest_batch` is the most images that fit, 0 if not even two do.
    """

    train_memory_bytes: int
    fits: bool | None
    largest_batch: int | None


def fit_on(spec: ArchSpec, machine: Machine) -> Fit:
    """Tells whether a network trains on a machine with its batch."""
    memory = train_memory(spec, mixed=machine.is_cuda)
    needed, usable = memory.of(machine.batch), machine.usable_bytes
    if usable is None:
        return Fit(needed, None, None)
    return Fit(needed, needed <= usable, memory.largest_batch(usable))
