"""The machine that a family is to train on: its memory, and how long a step takes there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from experiments.amounts import parse_bytes
from scaling.fits import Machine
from search_spaces.errors import InputError, RunError
from search_spaces.spec import ArchSpec

__all__ = ["StepTimer", "machine_of", "measured_steps", "steps_from_table"]

SECONDS = 1.0  # of a measurement, besides its warm-up
StepTimer = Callable[[ArchSpec], float | None]


def machine_of(device: str | None, memory: str | None, batch: int) -> Machine:
    """Returns the machine asked for; nothing is said of memory where nothing was asked.

    A GPU that is not here needs its `memory` named. Raises `InputError` for other devices.
    """
    named = None if memory is None else int(parse_bytes(memory, what="--memory"))
    if device is None and memory is None:
        return Machine(batch=batch)
    name = _resolved(device or "auto")
    return Machine(name, _memory(name) if named is None else named, batch)


def _resolved(device: str) -> str:
    if device == "auto":
        import torch  # noqa: PLC0415 (slow to import, and only this needs it)

        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, colon, number = device.partition(":")
    if device != "cpu" and (kind != "cuda" or (bool(colon) and not number.isdigit())):
        raise InputError(f"no device is called {device!r}; it must be auto, cpu, cuda or cuda:N")
    return device


def _memory(device: str) -> int:
    """Returns a GPU's whole memory, or what is free of the system's."""
    if device == "cpu":
        return int(psutil.virtual_memory().available)
    import torch  # noqa: PLC0415 (slow to import, and only this needs it)

    if not torch.cuda.is_available():
        raise InputError(f"device {device!r}: there is no GPU here; add its --memory, as in 24GiB")
    from experiments.device import pick_device  # noqa: PLC0415 (likewise)

    return int(torch.cuda.get_device_properties(pick_device(device).torch).total_memory)


def measured_steps(machine: Machine) -> StepTimer:
    """Returns what times a training step on a machine that is here, in seconds.

    A network that turns out not to fit has no time. Raises `InputError` for a GPU that is not here.
    """
    from experiments.device import pick_device  # noqa: PLC0415 (brings torch)
    from experiments.latency import measure  # noqa: PLC0415 (likewise)

    device = pick_device(machine.device)

    def timed(spec: ArchSpec) -> float | None:
        sys.stderr.write(f"timing {spec.name} at batch {machine.batch}\n")
        try:
            timing = measure(
                spec, device=device, batch=machine.batch, work="training", seconds=SECONDS
            )
        except RunError as error:
            sys.stderr.write(f"{error}\n")
            return None
        return timing.median

    return timed


def steps_from_table(path: Path, machine: Machine) -> StepTimer:
    """Returns what predicts a training step from a table; a block that it lacks has no time.

    Raises `InputError` for a table of something else than this machine's training steps.
    """
    from experiments.latency_table import read_table  # noqa: PLC0415 (brings pydantic)

    table = read_table(path)
    made = table.made_for
    for name, found, wanted in (
        ("work", made.work, "training"),
        ("batch", made.batch, machine.batch),
        ("device", made.device, machine.device.partition(":")[0]),
    ):
        if found != wanted:
            raise InputError(f"{path} was made for {name} {found}, not {wanted}")
    blocks = table.blocks()

    def predicted(spec: ArchSpec) -> float | None:
        return None if blocks.missing(spec) else blocks.predict(spec)

    return predicted
