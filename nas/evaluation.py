"""What an evaluation of a network is, and what an evaluator must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from search_spaces.spec import ArchSpec

__all__ = ["Evaluation", "Evaluator"]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Records one training of one network.

    `accuracy` and `test_accuracy` lie in [0, 1]; `accuracy` is measured on validation images,
    `test_accuracy` only where the network is a final one. `seconds` is wall time.
    """

    accuracy: float
    macs: int
    params: int
    seconds: float
    seed: int
    epochs: int = 0
    test_accuracy: float | None = None

    @property
    def counts(self) -> dict[str, float]:
        """Returns the costs that an evaluator tells, by name."""
        return {"macs": self.macs, "params": self.params}


class Evaluator(Protocol):
    """Trains or looks up a network and returns how good it is; any callable of this form is one."""

    def __call__(self, spec: ArchSpec, *, seed: int) -> Evaluation:
        """Evaluates `spec`; the same `seed` gives the same result."""
        ...
