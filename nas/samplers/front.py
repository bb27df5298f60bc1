"""Grey-box search for a Pareto front: costs are exact, so only accuracy is to be learnt.

With the cost of a candidate known, the hypervolume that it adds is a piecewise linear function of
its accuracy, and the expectation of that is a sum over the steps of the front: the width of the
step in log cost times the expected improvement on the step's accuracy. That is the expected
hypervolume improvement (Emmerich, Deutz and Klinkenberg, IEEE Congress on Evolutionary Computation
2011) with one objective that has no deviation.
"""

from __future__ import annotations

import numpy as np
from optuna.study import Study, StudyDirection
from scipy.special import logsumexp, ndtr

from nas.pareto import pareto_front
from nas.samplers.acquisition import log_improvement
from nas.samplers.greybox import GreyBoxSampler, best_row
from nas.samplers.surrogate import Surrogate

__all__ = ["FrontSampler", "Staircase"]

Array = np.ndarray
LOST = 1e-9  # hypervolume below which sums lose their figures
DIRECTIONS = [StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE]


class Staircase:
    """Holds the best accuracy that each place of a front's span, [0, 1], pays for.

    `places` and `accuracies` (N,) are of any networks; before the cheapest, the best is 0.
    """

    def __init__(self, places: Array, accuracies: Array) -> None:
        self.members = np.array(
            pareto_front(
                range(len(places)), gain=lambda i: accuracies[i], cost=lambda i: places[i]
            ),
            dtype=np.int64,
        )
        self.levels = np.maximum(np.concatenate([[0.0], accuracies[self.members]]), 0)
        self.edges = np.concatenate([[0.0], places[self.members], [1.0]])

    def widths(self, places: Array) -> Array:
        """Returns how much of each step (N, steps) costs no less than each of the places (N,)."""
        starts = np.maximum(self.edges[:-1], places[:, None])
        return np.asarray(np.maximum(self.edges[1:] - starts, 0))

    def log_gain(self, places: Array, mean: Array, deviation: Array) -> Array:
        """Returns the logarithm (N,) of the hypervolume that networks are expected to add.

        Σᵢ wᵢ · EI(mean, deviation, aᵢ) over the steps, of widths wᵢ and accuracies aᵢ.
        """
        widths = self.widths(places)
        gain = (widths * _improvement(mean, deviation, self.levels)).sum(axis=1)
        low = gain < LOST
        found: Array = np.log(np.maximum(gain, LOST))
        if low.any():
            far = log_improvement(mean[low, None], deviation[low, None], self.levels)
            found[low] = logsumexp(far, axis=1, b=widths[low])
        return found


def _improvement(mean: Array, deviation: Array, levels: Array) -> Array:
    """Returns the expected improvements (N, L) on each level: six times as quick as logarithms."""
    z = (mean[:, None] - levels) / deviation[:, None]
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    return np.asarray(deviation[:, None] * (density + z * ndtr(z)))


class FrontSampler(GreyBoxSampler):
    """Suggests the network whose training is expected to add the most hypervolume to the front.

    For studies that maximise accuracy and minimise a cost, where `known` says the cost's place;
    others are left to `TPESampler`. The front is that of the expected accuracies of what was tried.
    """

    def takes(self, study: Study) -> bool:
        """Tells whether a study is one of accuracy against a cost that is known."""
        placed = self._known is not None and self._known.place is not None
        return placed and list(study.directions) == DIRECTIONS

    def _improving(self, surrogate: Surrogate, rng: np.random.Generator) -> Array:
        rows, accuracies = surrogate.tried()
        stairs = Staircase(self._places(rows), accuracies)

        def score(rows: Array) -> Array:
            mean, deviation = surrogate.reward(rows)
            return stairs.log_gain(self._places(rows), mean, deviation)

        return best_row(score, surrogate, rows[stairs.members], rng)

    def _places(self, rows: Array) -> Array:
        assert self._known is not None
        assert self._known.place is not None
        return self._known.place(rows.astype(np.int64))
