"""What scores of some networks say of all others of their space: hints for a sampler's model.

A score of an untrained network is all but a sum over its layers, so the choices, one by one, and
the whole network's size foretell it, and hints cost next to nothing for millions of candidates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from search_spaces.errors import RunError
from search_spaces.space import SearchSpace

__all__ = ["FEWEST_SCORED", "Hints"]

Array = np.ndarray
FEWEST_SCORED = 20
ALPHAS = tuple(10.0**power for power in range(-3, 4))
FOLDS = 10
LOGARITHMIC = ("params", "macs", "grad_norm")  # scores of which the ratio counts


class Hints:
    """Foretells scores of encoded networks by a ridge regression, in deviations of those scored.

    Its inputs are the choices, one column an option, and the logarithms of MACs and parameters;
    its penalty is chosen for each score by held-out errors. `agreement` says for each score how
    well it is foretold for networks that were left out: Pearson's r over ten folds.
    """

    def __init__(
        self, space: SearchSpace, encoded: Array, scores: Array, names: Sequence[str]
    ) -> None:
        """Fits `scores` (N, names) of networks `encoded` (N, choices).

        One that is not finite is left out, with its network. Raises `RunError` for fewer than 20.
        """
        self.names, self._space = tuple(names), space
        sizes = [len(choice.options) for choice in space.choices]
        self._starts = np.cumsum([0, *sizes[:-1]])
        self._options = sum(sizes)
        targets = _straightened(scores, self.names)
        whole = np.isfinite(targets).all(axis=1)
        if whole.sum() < FEWEST_SCORED:
            raise RunError(
                f"{whole.sum()} networks have scores; hints need at least {FEWEST_SCORED}"
            )
        targets = targets[whole]
        deviation = targets.std(axis=0)
        targets = (targets - targets.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
        self._fit(encoded[whole], targets)

    def _fit(self, encoded: Array, targets: Array) -> None:
        from sklearn.linear_model import RidgeCV  # noqa: PLC0415 (heavy)
        from sklearn.model_selection import KFold, cross_val_predict  # noqa: PLC0415

        model = RidgeCV(alphas=ALPHAS, alpha_per_target=True)
        columns = np.concatenate([self._one_hot(encoded), self._sizes(encoded)], axis=1)
        folds = KFold(FOLDS, shuffle=True, random_state=0)
        foretold = cross_val_predict(model, columns, targets, cv=folds)
        pairs = zip(foretold.reshape(targets.shape).T, targets.T, strict=True)
        self.agreement = tuple(_correlation(one, two) for one, two in pairs)
        model.fit(columns, targets)
        weights = model.coef_.reshape(targets.shape[1], -1).T
        self._weights, self._by_size = weights[: self._options], weights[self._options :]
        self._base = np.ravel(model.intercept_)

    def _one_hot(self, encoded: Array) -> Array:
        columns = np.zeros((len(encoded), self._options))
        np.put_along_axis(columns, encoded + self._starts, 1.0, axis=1)
        return columns

    def _sizes(self, encoded: Array) -> Array:
        return np.asarray(np.log(np.stack(self._space.tables.count(encoded), axis=1)))

    def __call__(self, encoded: Array) -> Array:
        """Returns the scores (N, names) that are foretold for encoded networks (N, choices)."""
        by_choice = self._one_hot(encoded) @ self._weights
        return np.asarray(self._base + by_choice + self._sizes(encoded) @ self._by_size)


def _straightened(scores: Array, names: Sequence[str]) -> Array:
    """Returns scores, or their logarithms where these are what counts."""
    logarithmic = np.isin(names, LOGARITHMIC)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(logarithmic, np.log(scores), scores)


def _correlation(one: Array, two: Array) -> float:
    """Returns Pearson's r; 0 where one of the two is the same everywhere."""
    if min(one.std(), two.std()) < 1e-12:
        return 0.0
    return float(np.corrcoef(one, two)[0, 1])
