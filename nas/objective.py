"""Rewards: accuracy weighed against cost. Pure functions, each with its formula and source."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from search_spaces.errors import InputError

__all__ = ["EXPONENT", "OBJECTIVES", "Objective", "mnasnet_hard", "mnasnet_soft"]

EXPONENT = -0.07
"""w of MnasNet's soft reward: Pareto points that halve the cost lose 5% relative accuracy."""


def mnasnet_soft(accuracy: float, macs: float, target: float, exponent: float = EXPONENT) -> float:
    """Returns ACC·(MACs/T)^w (MnasNet, arXiv:1807.11626, eq. 2–3 with α = β = w).

    With w = −0.07 it is what found EfficientNet-B0 (arXiv:1905.11946, section 4).
    """
    return float(accuracy * (macs / target) ** exponent)


def mnasnet_hard(accuracy: float, macs: float, target: float, exponent: float = -1.0) -> float:
    """Returns ACC while MACs ≤ T, and ACC·(MACs/T)^w above it (eq. 3 with α = 0, β = w = −1)."""
    return accuracy if macs <= target else mnasnet_soft(accuracy, macs, target, exponent)


Reward = Callable[[float, float, float, float], float]

OBJECTIVES: Mapping[str, tuple[Reward, float]] = {
    "soft": (mnasnet_soft, EXPONENT),
    "hard": (mnasnet_hard, -1.0),
}


@dataclass(frozen=True, slots=True)
class Objective:
    """Holds a reward by name with its target T (MACs) and exponent w (None: the published one).

    Raises `InputError` for an unknown name, a target that is not positive or a positive exponent.
    """

    name: str
    target_macs: float
    exponent: float | None = None

    def __post_init__(self) -> None:
        if self.name not in OBJECTIVES:
            near = difflib.get_close_matches(self.name, OBJECTIVES, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            known = ", ".join(OBJECTIVES)
            raise InputError(f"no objective is called {self.name!r}; {hint}they are {known}")
        if not self.target_macs > 0:
            raise InputError(f"target MACs is {self.target_macs:g}; it must be positive")
        if self.exponent is not None and not -10 <= self.exponent <= 0:
            raise InputError(f"exponent is {self.exponent:g}; it must lie between -10 and 0")

    @property
    def resolved_exponent(self) -> float:
        """Returns the exponent that applies."""
        return OBJECTIVES[self.name][1] if self.exponent is None else self.exponent

    def __call__(self, accuracy: float, macs: float) -> float:
        """Returns the reward of an accuracy in [0, 1] at a cost in MACs."""
        reward, _ = OBJECTIVES[self.name]
        return reward(accuracy, macs, self.target_macs, self.resolved_exponent)

    def factors(self, macs: np.ndarray) -> np.ndarray:
        """Returns reward / accuracy (N,) at costs (N,) in MACs: every reward is such a product."""
        soft = np.asarray((macs / self.target_macs) ** self.resolved_exponent)
        return np.where(macs <= self.target_macs, 1.0, soft) if self.name == "hard" else soft
