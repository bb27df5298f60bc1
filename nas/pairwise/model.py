"""A fitted predictor of accuracy: tables to look up and add, with a deviation for each network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import cholesky, solve_triangular

from nas.pairwise.features import Features
from nas.pairwise.kernel import Hyper, Inputs, inputs_of, stage_kernels
from search_spaces.space import SearchSpace

__all__ = ["Fitted", "Predictor"]

Array = np.ndarray
CHUNK = 4096


@dataclass(frozen=True, slots=True)
class Fitted:
    """Holds all that a fit has found, as arrays: what a predictor's file keeps.

    `encoded` (N, choices) are the measured networks, `accuracy` (N,) what was measured, `alpha`
    (N,) their weights in the mean, `offset` the mean of the latent values, `spread` what deviations
    are multiplied by to fit networks that were left out.
    """

    hyper: Hyper
    encoded: Array
    accuracy: Array
    alpha: Array
    offset: float
    spread: float = 1.0


class Predictor:
    """Predicts the accuracy of a space's networks, thousands at once.

    The scale that is added up on is the latent one, −log(c − ACC) with the ceiling c.
    """

    def __init__(self, space: SearchSpace, fitted: Fitted) -> None:
        self.space, self.fitted, self.hyper = space, fitted, fitted.hyper
        raw = inputs_of(space, fitted.encoded)
        self.centre, self.scale = raw.logs.mean(axis=0), raw.logs.std(axis=0)
        self.measured = self.centred(raw)
        self.kernels = stage_kernels(space, self.hyper)
        self.slopes = self.hyper.linear * (self.measured.logs.T @ fitted.alpha) / self.scale
        self.offset = fitted.offset - float(self.slopes @ self.centre)

    def centred(self, raw: Inputs) -> Inputs:
        """Returns inputs with their logs in deviations from the measured networks' mean."""
        return Inputs(raw.combinations, (raw.logs - self.centre) / self.scale)

    @cached_property
    def stages(self) -> list[Array]:
        """Returns by stage what each of its combinations adds to the latent value."""
        columns = self.measured.combinations.T
        return [k[:, c] @ self.fitted.alpha for k, c in zip(self.kernels, columns, strict=True)]

    @cached_property
    def pairs(self) -> dict[tuple[int, int], Array]:
        """Returns by two stages, the first before the second, what both together add."""
        columns = self.measured.combinations.T
        rows = [k[:, c] for k, c in zip(self.kernels, columns, strict=True)]
        weight = self.hyper.pairs * self.fitted.alpha
        return {(s, t): (rows[s] * weight) @ rows[t].T for t in range(len(rows)) for s in range(t)}

    def latent_of(self, inputs: Inputs) -> Array:
        """Returns the latent values (N,) of inputs as they are before they are centred."""
        latent: Array = self.offset + inputs.logs @ self.slopes
        columns = inputs.combinations.T
        for table, column in zip(self.stages, columns, strict=True):
            latent += table[column]
        for (one, other), table in self.pairs.items():
            latent += table[columns[one], columns[other]]
        return latent

    def accuracy_of(self, latent: Array) -> Array:
        """Returns the accuracy in [0, 1] of latent values."""
        accuracy: Array = self.hyper.ceiling - np.exp(-latent)
        return accuracy

    def latent(self, encoded: Array) -> Array:
        """Returns −log(c − ACC) of encoded networks (N, choices)."""
        return self.latent_of(inputs_of(self.space, encoded))

    def accuracy(self, encoded: Array) -> Array:
        """Returns the predicted accuracies (N,) of encoded networks (N, choices)."""
        return self.accuracy_of(self.latent(encoded))

    def deviation(self, encoded: Array) -> Array:
        """Returns the standard deviations (N,) of one measured accuracy around the prediction.

        They hold the model's uncertainty and the noise of a training.
        """
        parts = [self._deviation(encoded[i : i + CHUNK]) for i in range(0, len(encoded), CHUNK)]
        return np.concatenate([np.zeros(0), *parts])

    def _deviation(self, encoded: Array) -> Array:
        raw = inputs_of(self.space, encoded)
        features = self._features(self.centred(raw))
        left = solve_triangular(self._factor, features.T, lower=True, check_finite=False)
        variance = (left**2).sum(axis=0) + self.hyper.noise
        slope = np.exp(-self.latent_of(raw))  # of ACC by the latent value
        deviation: Array = self.fitted.spread * slope * np.sqrt(variance)
        return deviation

    @cached_property
    def _features(self) -> Features:
        return Features(self.kernels, self.hyper)

    @cached_property
    def _factor(self) -> Array:
        """Returns the Cholesky factor of the features' precision after the measurements."""
        features = self._features(self.measured)
        precision = features.T @ features / self.hyper.noise
        precision[np.diag_indices_from(precision)] += 1.0
        factor: Array = cholesky(precision, lower=True, overwrite_a=True, check_finite=False)
        return factor
