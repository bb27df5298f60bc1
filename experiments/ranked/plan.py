"""How many ranks train one network, and what each of them gets of a machine or a cluster."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

from search_spaces.errors import InputError

__all__ = ["Node", "Ranks", "cores_each"]

Node = tuple[float, float]  # cores, GPUs


@dataclass(frozen=True, slots=True)
class Ranks:
    """Says that `count` processes train one network together, with a GPU each or on cores.

    `address` is that of a cluster, `auto` for the one that this machine is in; None: this machine
    alone. `device` is what was asked for: auto, cpu or cuda. What lost a rank goes on from the last
    state up to `retries` times.
    """

    count: int
    address: str | None = None
    device: str = "auto"
    retries: int = 2

    def __post_init__(self) -> None:
        if self.count < 1:
            raise InputError(f"--ranks is {self.count}; it must be at least 1")
        if self.count > 1 and self.device.startswith("cuda:"):
            raise InputError(
                f"--device {self.device} is one GPU and {self.count} ranks take one each; "
                "use --device cuda"
            )

    def use_gpus(self, nodes: Sequence[Node]) -> bool:
        """Tells whether the ranks train on GPUs: where asked to, or where there are any."""
        return self.device != "cpu" and (self.device == "cuda" or any(gpus for _, gpus in nodes))


def cores_each(ranks: Ranks, nodes: Sequence[Node]) -> int:
    """Returns how many cores each rank gets, and so threads: never more than there are.

    Raises `InputError` for more ranks than GPUs, or than cores.
    """
    needs_gpu = ranks.use_gpus(nodes)
    where = "this machine" if ranks.address is None else "the cluster"
    for name, have in _amounts(nodes, gpus=needs_gpu):
        if ranks.count > have:
            fits = f"use --ranks {have}" if have > 1 else "train without --ranks"
            other = ", or --device cpu" if name == "GPUs" else ""
            needed = f"{ranks.count} ranks need a {name[:-1]} each"
            raise InputError(f"{needed}, and {where} has {have}: {fits}{other}")
    most = max(int(cores) for cores, _ in nodes)
    fitting = (each for each in range(most, 0, -1) if _room(nodes, each, needs_gpu) >= ranks.count)
    found = next(fitting, 0)
    if not found:
        raise InputError(f"{where} has no machine with a GPU and a core for each of the ranks")
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(found, int(asked)) if asked.isdigit() and int(asked) else found


def _amounts(nodes: Sequence[Node], *, gpus: bool) -> list[tuple[str, int]]:
    cores = sum(math.floor(cores) for cores, _ in nodes)
    found = sum(math.floor(each) for _, each in nodes)
    return [*([("GPUs", found)] if gpus else []), ("cores", cores)]


def _room(nodes: Sequence[Node], cores: int, needs_gpu: bool) -> int:
    """Counts the ranks of so many cores that there is room for."""
    fits = [(int(have // cores), int(gpus)) for have, gpus in nodes]
    return sum(min(by_cores, gpus) if needs_gpu else by_cores for by_cores, gpus in fits)
