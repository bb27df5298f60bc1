"""What is known exactly of a network before it is trained, and free: its costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nas.costs import Costing
from nas.front import Front
from nas.objective import Goal, Objective, exact_factor

__all__ = ["Known", "known_networks"]

Array = np.ndarray
COSTS = ("macs", "params")
Option = bool | int | float | str | None


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Tells what encoded networks cost, and what the reward makes of it.

    `choices` gives the names and their options in the order of an encoding, which holds indices:
    int64 (N, choices); every function here takes one. `costs` returns (N, K), all positive, that
    may tell of accuracy. `factor` returns reward / accuracy (N,); None where that is not known, and
    the reward itself has to be learnt. `place` returns where (N,) in the span of a front, [0, 1],
    they cost; None where there is no front, or its cost has to be measured. `parts` returns the
    costs (N, P) of parts of the networks, such as stages; `keys` returns numbers (N,) that are
    equal where the networks are; `allowed` tells (N,) which may be tried; `hints` returns other
    numbers (N, H) that may tell of accuracy. `first` are encoded networks (M, choices) to try
    before any others. No accuracy is over `ceiling`, where one is given.
    """

    choices: Mapping[str, tuple[Option, ...]]
    costs: Callable[[Array], Array]
    factor: Callable[[Array], Array] | None = None
    parts: Callable[[Array], Array] | None = None
    keys: Callable[[Array], Array] | None = None
    allowed: Callable[[Array], Array] | None = None
    hints: Callable[[Array], Array] | None = None
    first: Array | None = None
    place: Callable[[Array], Array] | None = None
    ceiling: float | None = None


def known_networks(goal: Goal, costing: Costing, *, ceiling: float | None = None) -> Known:
    """Returns what is known of a space's networks: MACs and parameters, of each stage as well."""
    space = costing.space

    def parts(encoded: Array) -> Array:
        macs, _ = space.tables.by_stage(encoded)
        return np.asarray(macs[:, 1:-1])

    return Known(
        choices={choice.name: choice.options for choice in space.choices},
        costs=lambda encoded: costing.encoded(encoded, *COSTS),
        factor=exact_factor(goal, costing) if isinstance(goal, Objective) else None,
        parts=parts,
        keys=space.network_keys,
        allowed=costing.allowed if costing.limits else None,
        place=_place(goal, costing) if isinstance(goal, Front) else None,
        ceiling=ceiling,
    )


def _place(front: Front, costing: Costing) -> Callable[[Array], Array] | None:
    if front.cost not in costing.exact:
        return None
    return lambda encoded: front.span.places(costing.encoded(encoded, front.cost)[:, 0])
