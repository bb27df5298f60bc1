"""Which networks cannot win: their cost alone keeps the reward below the best one found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from optuna.study import Study
from optuna.trial import TrialState

from nas.costs import Costing
from nas.objective import Goal, Objective, exact_factor
from search_spaces.errors import InputError
from search_spaces.space import Value

__all__ = ["CANNOT_WIN", "Ceiling", "make_ceiling"]

Array = np.ndarray
CANNOT_WIN = "cannot win: "
"""What the reason begins with that a network is refused for by its ceiling."""


@dataclass(frozen=True, slots=True)
class Ceiling:
    """Bounds rewards by the highest `accuracy` that any network could reach.

    The reward is accuracy times a factor of the cost, and `factor` gives that of encoded networks
    (N, choices) exactly: no training can lift a reward over factor × accuracy.
    """

    objective: Objective
    costing: Costing
    factor: Callable[[Array], Array]
    accuracy: float

    def why(self, study: Study, costs: Mapping[str, float]) -> str | None:
        """Says why a network of these costs cannot beat the best of a study; None: it can."""
        best, most = _best(study), self.objective.reward(self.accuracy, costs)
        if not most < best:
            return None
        return (
            f"{CANNOT_WIN}at most reward {most:.4f}, by its cost, "
            f"with accuracy {self.accuracy:g}; the best found is {best:.4f}"
        )

    def draw(self, study: Study, rng: np.random.Generator) -> dict[str, Value] | None:
        """Draws uniformly among the networks that are allowed and can win; None: none is found."""
        best = _best(study)
        return self.costing.draw_any(
            rng, also=lambda rows: np.asarray(self.factor(rows) * self.accuracy >= best)
        )


def _best(study: Study) -> float:
    """Returns the best reward that any process has found in a study."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return max((t.value for t in done if t.value is not None), default=-np.inf)


def make_ceiling(accuracy: float | None, goal: Goal, costing: Costing) -> Ceiling | None:
    """Returns the bound; None where none is asked for, or a reward's factor is not known before.

    That is so of a user's own reward, and of a cost that has to be measured; a front has no reward.
    Raises `InputError` for an accuracy that is none.
    """
    if accuracy is None:
        return None
    if not 0 < accuracy <= 1:
        raise InputError(f"the ceiling is {accuracy:g}; it must be an accuracy above 0, up to 1")
    if not isinstance(goal, Objective):
        return None
    factor = exact_factor(goal, costing)
    return None if factor is None else Ceiling(goal, costing, factor, accuracy)
