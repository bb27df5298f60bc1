"""Rewards: accuracy weighed against cost. Pure functions, each with its formula and source."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from numbers import Real
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np

from nas.costs import Costing, check_cost
from search_spaces.errors import InputError

__all__ = [
    "EXPONENT",
    "FRONT",
    "OBJECTIVES",
    "PARAMS_EXPONENT",
    "Direction",
    "Goal",
    "Objective",
    "Plugin",
    "efficientnetv2",
    "exact_factor",
    "is_plugin",
    "mnasnet_hard",
    "mnasnet_soft",
]

Array = np.ndarray
Direction = Literal["maximize", "minimize"]
Plugin = Callable[[float, Mapping[str, float]], float]
"""A user's own reward: of an accuracy in [0, 1] and the costs by name, in `nas.costs.UNITS`."""

EXPONENT = -0.07
"""w of MnasNet's soft reward: Pareto points that halve the cost lose 5% relative accuracy."""
HARD_EXPONENT = -1.0
FRONT = "front"
"""The name of `nas.front.Front`, which is no reward."""
PARAMS_EXPONENT = -0.05
"""v of EfficientNetV2's reward."""


def mnasnet_soft(accuracy: float, cost: float, target: float, exponent: float = EXPONENT) -> float:
    """Returns ACC·(COST/T)^w (MnasNet, arXiv:1807.11626, eq. 2–3 with α = β = w).

    MnasNet's cost is latency. With MACs and w = −0.07 it is what found EfficientNet-B0
    (arXiv:1905.11946, section 4).
    """
    return float(accuracy * (cost / target) ** exponent)


def mnasnet_hard(
    accuracy: float, cost: float, target: float, exponent: float = HARD_EXPONENT
) -> float:
    """Returns ACC while COST ≤ T, and ACC·(COST/T)^w above it (eq. 3 with α = 0, β = w = −1)."""
    return accuracy if cost <= target else mnasnet_soft(accuracy, cost, target, exponent)


def efficientnetv2(
    accuracy: float,
    step_time: float,
    params: float,
    reference: float,
    exponent: float = EXPONENT,
    params_exponent: float = PARAMS_EXPONENT,
) -> float:
    """Returns A·S^w·P^v, w = −0.07 and v = −0.05 (EfficientNetV2, arXiv:2104.00298, section 3.3).

    S is the training-step time, normalised: `step_time` over `reference`, both in seconds. P is
    the number of parameters as it is. What S is divided by changes no order of networks.
    """
    return float(accuracy * (step_time / reference) ** exponent * params**params_exponent)


class Goal(Protocol):
    """What a search is after: what its study is told, and by which reward one network is chosen."""

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Says what a study does with each value that it is told: `maximize` or `minimize`."""
        ...

    @property
    def weighs(self) -> tuple[str, ...]:
        """Names the costs that turn accuracy into reward as a factor."""
        ...

    def told(self, reward: float, accuracy: float, costs: Mapping[str, float]) -> tuple[float, ...]:
        """Returns what a study is told of a network: a value for each of the `directions`."""
        ...

    def reward(self, accuracy: float, costs: Mapping[str, float]) -> float:
        """Returns what the network that is chosen has the most of."""
        ...


OBJECTIVES: Mapping[str, float] = {"soft": EXPONENT, "hard": HARD_EXPONENT, "v2": EXPONENT}
"""The published rewards by name, each with its exponent w."""


def is_plugin(name: str) -> bool:
    """Tells whether an objective is a user's own function, `module:function`."""
    return ":" in name


@dataclass(frozen=True, slots=True)
class Objective:
    """Holds a reward by name with its target T and exponent w (None: the published one).

    `cost` names what accuracy is weighed against, and T is an amount of it. A user's own reward is
    called `module:function`; the function itself is its `plugin`, and it needs no target.
    Raises `InputError` for an unknown name or cost, a target that is not positive or an exponent
    that is.
    """

    name: str
    target: float | None = None
    exponent: float | None = None
    cost: str = "macs"
    plugin: Plugin | None = None

    def __post_init__(self) -> None:
        check_cost(self.cost)
        if is_plugin(self.name):
            self._check_plugin()
            return
        if self.name not in OBJECTIVES:
            near = difflib.get_close_matches(self.name, (*OBJECTIVES, FRONT), n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            known = ", ".join((*OBJECTIVES, FRONT))
            raise InputError(
                f"no objective is called {self.name!r}; {hint}they are {known}, or module:function"
            )
        if self.name == "v2" and self.cost != "step_time":
            raise InputError(f"objective v2 weighs the training-step time, not {self.cost}")
        if self.target is None or not self.target > 0:
            raise InputError(f"target {self.cost} is {self.target}; it must be positive")
        if self.exponent is not None and not -10 <= self.exponent <= 0:
            raise InputError(f"exponent is {self.exponent:g}; it must lie between -10 and 0")

    def _check_plugin(self) -> None:
        if self.plugin is None:
            raise InputError(f"objective {self.name} is not imported; ask for it with --objective")
        if self.exponent is not None:
            raise InputError(f"objective {self.name} has no exponent; leave --exponent out")

    @property
    def resolved_exponent(self) -> float:
        """Returns the exponent that applies; 0 for a user's own reward, which has none."""
        return OBJECTIVES.get(self.name, 0.0) if self.exponent is None else self.exponent

    @property
    def target_macs(self) -> float:
        """Returns T in MACs; raises `InputError` where accuracy is weighed against another cost."""
        if self.cost != "macs" or self.target is None:
            raise InputError(f"objective {self.name} has no target of MACs")
        return self.target

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Says what a study does with each value that it is told."""
        return ("maximize",)

    def told(self, reward: float, accuracy: float, costs: Mapping[str, float]) -> tuple[float, ...]:
        """Returns what a study is told of a network: its reward."""
        return (reward,)

    @property
    def weighs(self) -> tuple[str, ...]:
        """Names the costs that turn accuracy into reward as a factor.

        None for a user's own reward: what it makes of accuracy is not known.
        """
        if self.plugin is not None:
            return ()
        return ("step_time", "params") if self.name == "v2" else (self.cost,)

    def __call__(self, accuracy: float, *costs: float) -> float:
        """Returns the reward of an accuracy in [0, 1] at the costs that it `weighs`, in order."""
        target, exponent = self._weighing()
        if self.name == "v2":
            step_time, params = costs
            return efficientnetv2(accuracy, step_time, params, target, exponent)
        (cost,) = costs
        reward = mnasnet_hard if self.name == "hard" else mnasnet_soft
        return reward(accuracy, cost, target, exponent)

    def factors(self, *costs: Array) -> Array:
        """Returns reward / accuracy (N,) at the costs that it `weighs`, an array (N,) each.

        Every published reward is such a product. A user's own is not: raises `InputError`.
        """
        target, exponent = self._weighing()
        soft = np.asarray((costs[0] / target) ** exponent)
        if self.name == "v2":
            return np.asarray(soft * costs[1] ** PARAMS_EXPONENT)
        return np.where(costs[0] <= target, 1.0, soft) if self.name == "hard" else soft

    def _weighing(self) -> tuple[float, float]:
        if self.plugin is not None or self.target is None:
            raise InputError(f"objective {self.name} is no product of accuracy and a factor")
        return self.target, self.resolved_exponent

    def reward(self, accuracy: float, costs: Mapping[str, float]) -> float:
        """Returns the reward of an accuracy in [0, 1] at costs by name.

        Raises `InputError` where a user's own function fails or returns no finite number.
        """
        if self.plugin is None:
            return self(accuracy, *(costs[name] for name in self.weighs))
        try:
            value = self.plugin(accuracy, MappingProxyType(dict(costs)))
        except Exception as error:
            raise InputError(
                f"objective {self.name} failed at accuracy {accuracy:g}: "
                f"{type(error).__name__}: {error} (the costs it is given are {', '.join(costs)})"
            ) from error
        if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
            raise InputError(
                f"objective {self.name} returned {value!r} at accuracy {accuracy:g}; "
                "it must return a finite number"
            )
        return float(value)


def exact_factor(objective: Objective, costing: Costing) -> Callable[[Array], Array] | None:
    """Returns what gives reward / accuracy (N,) of encoded networks (N, choices), untrained.

    None where that is not known before: a user's own reward is no such product, and a cost may have
    to be measured. A sampler then has the reward itself to learn.
    """
    if not objective.weighs or not set(objective.weighs) <= set(costing.exact):
        return None
    return lambda rows: objective.factors(*costing.encoded(rows, *objective.weighs).T)
