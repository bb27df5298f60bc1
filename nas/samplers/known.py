"""What is known exactly of a network before it is trained, and free: its costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from nas.objective import Objective
from search_spaces.space import SearchSpace

__all__ = ["Known", "known_networks"]

Array = np.ndarray
Option = bool | int | float | str | None


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """Tells what encoded networks cost, and what the reward makes of it.

    `choices` gives the names and their options in the order of an encoding, which holds indices:
    int64 (N, choices). `costs` returns (N, K), all positive: first the cost that the reward weighs
    accuracy against, then whatever else may tell of accuracy, such as parameters. `factor` turns
    the first into reward / accuracy (N,). `parts` returns the costs (N, P) of parts of the
    networks, such as stages; `canonical` returns rows that are equal where the networks are.
    """

    choices: Mapping[str, tuple[Option, ...]]
    costs: Callable[[Array], Array]
    factor: Callable[[Array], Array]
    parts: Callable[[Array], Array] | None = None
    canonical: Callable[[Array], Array] | None = None


def known_networks(space: SearchSpace, objective: Objective) -> Known:
    """Returns what is known of a space's networks: MACs and parameters, of each stage as well."""

    def parts(encoded: Array) -> Array:
        macs, _ = space.tables.by_stage(encoded)
        return np.asarray(macs[:, 1:-1])

    return Known(
        choices={choice.name: choice.options for choice in space.choices},
        costs=lambda encoded: np.stack(space.tables.count(encoded), axis=1),
        factor=objective.factors,
        parts=parts,
        canonical=space.canonical,
    )
