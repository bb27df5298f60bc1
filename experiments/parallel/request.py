"""What a command was asked of trainings in parallel, and what that comes to where it runs."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.parallel.cluster import connect, resources
from experiments.parallel.placement import Placement, place
from search_spaces.errors import InputError

__all__ = ["HERE", "PlacementRequest"]

RETRIES = 2


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """Holds --workers, --ray, --cpus, --gpus and --retries; None: not given."""

    workers: int | None = None
    address: str | None = None
    cpus: float | None = None
    gpus: float | None = None
    retries: int | None = None

    def __post_init__(self) -> None:
        if not self.is_parallel:
            given = {"--cpus": self.cpus, "--gpus": self.gpus, "--retries": self.retries}
            name = next((name for name, value in given.items() if value is not None), None)
            if name is not None:
                raise InputError(f"{name} is for trainings in parallel; give --workers or --ray")

    @property
    def is_parallel(self) -> bool:
        """Tells whether trainings leave this process."""
        return self.address is not None or (self.workers or 1) > 1

    def resolve(self, *, wants_gpu: bool) -> Placement | None:
        """Returns where trainings run, None for this process; joins a cluster that was named.

        Raises `InputError` for a cluster that does not answer, or less than was asked for.
        """
        if not self.is_parallel:
            return None
        retries = RETRIES if self.retries is None else self.retries
        if self.address is None:
            return place(
                self.workers or 1, cpus=self.cpus, gpus=self.gpus, retries=retries,
                have_gpus=_own_gpus(), wants_gpu=wants_gpu,
            )  # fmt: skip
        connect(self.address)
        have_cpus, have_gpus = resources()
        cpus = 1.0 if self.cpus is None else self.cpus
        gpus = float(wants_gpu) if self.gpus is None else self.gpus
        fitting = min(
            int(have / each) for have, each in ((have_cpus, cpus), (have_gpus, gpus)) if each > 0
        )
        return place(
            self.workers or max(1, fitting), address=self.address, cpus=cpus, gpus=gpus,
            retries=retries, have_cpus=have_cpus, have_gpus=have_gpus,
        )  # fmt: skip


HERE = PlacementRequest()


def _own_gpus() -> int:
    import torch  # noqa: PLC0415 (heavy)

    return torch.cuda.device_count()
