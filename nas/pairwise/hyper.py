"""Fits the kernel: the hyperparameters under which the measured accuracies are most likely."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize

from nas.pairwise.kernel import Hyper, Inputs, add_stages, coordinates, stage_kernels
from search_spaces.space import SearchSpace

__all__ = ["fit_hyper", "likelihood", "warp"]

Array = np.ndarray
PRIOR = 2.0  # deviation of each logarithm around its start
START_RATE, START_PAIRS, START_NOISE, START_ROOM = 0.7, 0.1, 0.03, 0.05


def warp(accuracy: Array, ceiling: float) -> Array:
    """Returns −log(c − ACC): on this scale what choices add does not shrink near the ceiling."""
    warped: Array = -np.log(ceiling - accuracy)
    return warped


class _Vector:
    """Packs hyperparameters into one vector of logarithms, the ceiling as its room above `top`."""

    def __init__(self, space: SearchSpace, top: float, variance: float) -> None:
        self.choices, self.stages, self.top = len(space.choices), len(space.places), top
        share = variance / self.stages
        self.start = np.concatenate(
            [
                np.full(self.choices, np.log(START_RATE)),
                np.full(self.stages, np.log(share)),
                np.log([START_PAIRS / share, share, share, START_NOISE * variance, START_ROOM]),
            ]
        )

    def hyper(self, theta: Array) -> Hyper:
        values = np.exp(theta)
        rates, weights, rest = np.split(values, [self.choices, self.choices + self.stages])
        pairs, *linear, noise, room = rest.tolist()
        return Hyper(rates, weights, pairs, np.array(linear), noise, self.top + room)


def likelihood(
    space: SearchSpace, hyper: Hyper, inputs: Inputs, accuracy: Array
) -> tuple[float, Array]:
    """Returns −log p(accuracy) up to a constant, and its gradient by log-hyperparameters.

    The last entry is the gradient by the ceiling itself. Rasmussen and Williams, "Gaussian
    Processes for Machine Learning", eq. 5.8 and 5.9, with the warp's Jacobian.
    """
    warped = warp(accuracy, hyper.ceiling)
    target = warped - warped.mean()
    tables = stage_kernels(space, hyper)
    columns = inputs.combinations.T
    kernels = [t[np.ix_(c, c)] for t, c in zip(tables, columns, strict=True)]
    stages = add_stages(kernels, hyper.pairs)
    linear = (inputs.logs * hyper.linear) @ inputs.logs.T
    covariance = stages + linear + hyper.noise * np.eye(len(target))
    factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    solved = cho_solve((factor, True), np.column_stack([target, np.eye(len(target))]))
    alpha, inverse = solved[:, 0], solved[:, 1:]
    value = 0.5 * target @ alpha + np.log(np.diag(factor)).sum() - warped.sum()
    slope = 0.5 * (inverse - np.outer(alpha, alpha))  # by the covariance
    slopes = 1 / (hyper.ceiling - accuracy)
    by_ceiling = alpha @ (slopes.mean() - slopes) + slopes.sum()
    total = np.sum(kernels, axis=0)
    pieces = _by_stage(space, hyper, tables, kernels, total, columns, slope)
    by_pairs = (slope * (stages - total)).sum()
    by_linear = hyper.linear * ((slope @ inputs.logs) * inputs.logs).sum(axis=0)
    by_noise = hyper.noise * np.trace(slope)
    return float(value), np.concatenate([*pieces, [by_pairs], by_linear, [by_noise, by_ceiling]])


def _by_stage(
    space: SearchSpace,
    hyper: Hyper,
    tables: list[Array],
    kernels: list[Array],
    total: Array,
    columns: Array,
    slope: Array,
) -> tuple[Array, Array]:
    """Returns the gradients by log-rates (choices,) and by log-weights (stages,)."""
    rates, weights = np.zeros(len(hyper.rates)), np.zeros(len(tables))
    for stage, (places, place) in enumerate(zip(space.places, coordinates(space), strict=True)):
        size = len(place)
        by_kernel = slope * (1 + hyper.pairs * (total - kernels[stage]))
        cells = columns[stage][:, None] * size + columns[stage]
        summed = np.bincount(cells.ravel(), by_kernel.ravel(), size**2).reshape(size, size)
        summed *= tables[stage]
        weights[stage] = summed.sum()
        for column, line in zip(places.columns, place.T, strict=True):
            squares = (hyper.rates[column] * (line[:, None] - line)) ** 2
            rates[column] = -(summed * squares).sum()
    return rates, weights


def fit_hyper(
    space: SearchSpace, inputs: Inputs, accuracy: Array, *, top: float, rounds: int = 40
) -> Hyper:
    """Returns the most likely hyperparameters, each held near its start by a broad prior.

    The ceiling stays above `top`, the best accuracy known.
    """
    vector = _Vector(space, top, float(np.var(warp(accuracy, top + START_ROOM))))

    def loss(theta: Array) -> tuple[float, Array]:
        value, gradient = likelihood(space, vector.hyper(theta), inputs, accuracy)
        gradient[-1] *= np.exp(theta[-1])
        away = (theta - vector.start) / PRIOR
        count = len(accuracy)
        return (value + 0.5 * away @ away) / count, (gradient + away / PRIOR) / count

    found = minimize(
        loss, vector.start, jac=True, method="L-BFGS-B", options={"maxiter": rounds},
        bounds=[(start - 4, start + 4) for start in vector.start],
    )  # fmt: skip
    return vector.hyper(found.x)
