"""Fits the predictor to measured networks, and its deviations to networks that are left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from nas.pairwise.hyper import fit_hyper, warp
from nas.pairwise.kernel import Hyper, Inputs, gram, inputs_of
from nas.pairwise.model import Fitted, Predictor
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace

__all__ = ["FEWEST", "fit"]

Array = np.ndarray
HYPER_ROWS = 600  # networks that the hyperparameters are fitted on
FOLDS, FOLDS_USED = 10, 3
ONE_DEVIATION = 0.6827  # of a normal distribution lies within one
FEWEST = 30


def fit(
    space: SearchSpace,
    encoded: Array,
    accuracy: Array,
    *,
    hyper: Hyper | None = None,
    seed: int = 0,
) -> Predictor:
    """Returns the predictor of the accuracies (N,) in [0, 1] of encoded networks (N, choices).

    The hyperparameters, where not given, come from a random part of the networks, the mean from
    all of them. Three times a tenth is left out, to see by how much the deviations are too small.
    Raises `InputError` for fewer than 30 networks, or for accuracies that are none or too high.
    """
    if len(accuracy) < FEWEST:
        raise InputError(f"{len(accuracy)} measured networks; a predictor needs at least {FEWEST}")
    if not (np.isfinite(accuracy) & (accuracy >= 0) & (accuracy < 1)).all():
        raise InputError("a measured accuracy is not a number from 0 to 1")
    rng = np.random.default_rng(seed)
    if hyper is None:
        hyper = _likely(space, encoded, accuracy, rng)
    if accuracy.max() >= hyper.ceiling:
        raise InputError(f"an accuracy is {accuracy.max():g}; the ceiling is {hyper.ceiling:g}")
    folds = np.array_split(rng.permutation(len(accuracy)), FOLDS)[:FOLDS_USED]
    errors = [_errors(space, hyper, encoded, accuracy, fold) for fold in folds]
    spread = float(np.quantile(np.abs(np.concatenate(errors)), ONE_DEVIATION))
    return Predictor(space, replace(_posterior(space, hyper, encoded, accuracy), spread=spread))


def _likely(space: SearchSpace, encoded: Array, accuracy: Array, rng: np.random.Generator) -> Hyper:
    """Fits the hyperparameters to a random part of the networks."""
    raw = inputs_of(space, encoded)
    logs = (raw.logs - raw.logs.mean(axis=0)) / raw.logs.std(axis=0)
    rows = rng.permutation(len(accuracy))[:HYPER_ROWS]
    some = Inputs(raw.combinations, logs)[rows]
    return fit_hyper(space, some, accuracy[rows], top=float(accuracy.max()))


def _posterior(space: SearchSpace, hyper: Hyper, encoded: Array, accuracy: Array) -> Fitted:
    """Solves for the weights of all networks: N² numbers and N³/3 multiplications."""
    blank = Predictor(space, Fitted(hyper, encoded, accuracy, np.zeros(len(accuracy)), 0.0))
    covariance = gram(blank.kernels, hyper, blank.measured, blank.measured)
    covariance[np.diag_indices_from(covariance)] += hyper.noise
    factor = cho_factor(covariance, lower=True, overwrite_a=True, check_finite=False)
    warped = warp(accuracy, hyper.ceiling)
    offset = float(warped.mean())
    return Fitted(hyper, encoded, accuracy, cho_solve(factor, warped - offset), offset)


def _errors(space: SearchSpace, hyper: Hyper, encoded: Array, accuracy: Array, out: Array) -> Array:
    """Returns the errors of networks left out, in deviations."""
    kept = np.setdiff1d(np.arange(len(accuracy)), out)
    predictor = Predictor(space, _posterior(space, hyper, encoded[kept], accuracy[kept]))
    wrong = accuracy[out] - predictor.accuracy(encoded[out])
    errors: Array = wrong / predictor.deviation(encoded[out])
    return errors
