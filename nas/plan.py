"""How a trial is trained: in one training or in several, each of them a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from optuna.trial import Trial

from nas.halving import Halving, Rungs
from nas.jobs import Job
from search_spaces.spec import ArchSpec

__all__ = ["OpenTrial", "Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """Says how a trial is trained: for so many epochs, in `seconds` at most, called `label` N.

    With `halving`, either one training is looked at after the epochs of `rungs`, or there is one
    training after another, at the sides of `resolutions`, the last one the whole.
    """

    epochs: int = 0
    seconds: float | None = None
    label: str = "trial"
    halving: Halving | None = None
    rungs: tuple[int, ...] = ()
    resolutions: tuple[int, ...] = ()

    def job(
        self, number: int, spec: ArchSpec, seed: int, *, stage: int = 0, spent: float = 0.0
    ) -> Job:
        """Returns the training of a trial's stage, after others that took `spent` seconds."""
        name, resolution = f"{self.label} {number}", spec.resolution
        if self.resolutions:
            name, resolution = f"{name}, rung {stage + 1}", self.resolutions[stage]
        limit = None if self.seconds is None else self.seconds - spent
        spec = replace(spec, name=name, resolution=resolution)
        return Job(name, spec, seed, self.epochs, self.rungs, limit)

    def is_last(self, stage: int) -> bool:
        """Tells whether a stage is the whole training."""
        return stage + 1 >= len(self.resolutions)


@dataclass(slots=True, eq=False)
class OpenTrial:
    """Holds a trial that is trained, since `begun`, and those that wait for the same network.

    `stage` counts its trainings before, which took `spent` seconds.
    """

    trial: Trial
    spec: ArchSpec
    network: str
    costs: Mapping[str, float]
    begun: float
    rungs: Rungs | None
    stage: int = 0
    spent: float = 0.0
    waiting: list[Trial] = field(default_factory=list)
