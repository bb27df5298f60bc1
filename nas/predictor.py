"""Predicts accuracy, with its uncertainty, from what is known of a network before it is trained.

A Gaussian process whose kernel adds up three beliefs: every choice has an effect of its own
(linear), accuracy follows what the whole network costs (smooth, one length scale), and choices act
together (Matérn 5/2): the length scales of all choices are about the same, as far as the data do
not say otherwise. How much each belief counts for is left to the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from scipy.linalg import blas, lapack
from scipy.optimize import minimize

__all__ = ["Inputs", "Posterior", "Settings", "fit_settings"]

Array = np.ndarray

JITTER = 1e-6
CONSTANT = 1.0  # variance of the unknown mean, in variances of the observations
STEPS = 40
CHUNK = 512  # rows whose kernel fits the processor's cache
SINGLE = np.float32  # what predictions are counted in: twice as quick
PRIOR_NOISE = (np.log(0.1), 1.0)  # mean and deviation of logarithms, here and below
PRIOR_AMPLITUDE = (0.0, 1.0)
PRIOR_RATE = (0.3, 0.8)
PRIOR_OWN = 0.25  # by how much the rate of one choice differs from that of all


@dataclass(frozen=True, slots=True)
class Inputs:
    """Describes N networks: `linear` (N, L), `smooth` (N, S) and `joint` (N, J), each scaled to ~1.

    `groups` (J,) numbers the length scale of each column of `joint`. `doubts` (N,) are the
    deviations of their observations beyond the noise of all, in the units of these.
    """

    linear: Array
    smooth: Array
    joint: Array
    groups: Array
    doubts: Array

    def __len__(self) -> int:
        return len(self.linear)

    def __getitem__(self, rows: Array | slice) -> Inputs:
        parts = (self.linear[rows], self.smooth[rows], self.joint[rows])
        return Inputs(*parts, self.groups, self.doubts[rows])

    @property
    def scales(self) -> int:
        """Counts the length scales of the joint kernel."""
        return int(self.groups.max()) + 1 if len(self.groups) else 0

    def concat(self, other: Inputs) -> Inputs:
        """Returns these networks followed by others."""
        return Inputs(
            np.concatenate([self.linear, other.linear]),
            np.concatenate([self.smooth, other.smooth]),
            np.concatenate([self.joint, other.joint]),
            self.groups,
            np.concatenate([self.doubts, other.doubts]),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """Holds the kernel's hyperparameters, for observations of variance 1.

    `amplitudes` (3,) are deviations of the linear, smooth and joint parts; `rates` are inverse
    length scales.
    """

    noise: float
    amplitudes: Array
    smooth_rate: float
    rates: Array

    @classmethod
    def of(cls, theta: Array) -> Self:
        """Reads them from the vector of logarithms that is optimised.

        It holds the noise, the three amplitudes, the smooth rate, the rate of all choices and what
        each multiplies that by.
        """
        values = np.exp(theta)
        return cls(float(values[0]), values[1:4], float(values[4]), values[5] * values[6:])

    @classmethod
    def usual(cls, inputs: Inputs) -> Self:
        """Returns what is most likely before any data."""
        return cls.of(cls.prior(inputs)[0])

    @staticmethod
    def prior(inputs: Inputs) -> tuple[Array, Array]:
        """Returns mean and deviation of the logarithms before any data."""
        columns = (max(1, inputs.smooth.shape[1]), max(1, inputs.scales))
        rates = [PRIOR_RATE[0] - 0.5 * np.log(count) for count in columns]
        own = np.zeros(inputs.scales)
        mean = [PRIOR_NOISE[0], *[PRIOR_AMPLITUDE[0]] * 3, *rates, *own]
        deviation = [
            PRIOR_NOISE[1],
            *[PRIOR_AMPLITUDE[1]] * 3,
            *[PRIOR_RATE[1]] * 2,
            *own + PRIOR_OWN,
        ]
        return np.array(mean), np.array(deviation)


def _squared(a: Array, b: Array) -> Array:
    """Returns squared distances (N, M) between rows."""
    found: Array = (a * a).sum(1)[:, None] + (b * b).sum(1) - 2 * (a @ b.T)
    return np.asarray(np.maximum(found, 0, out=found))


def _matern(squared: Array) -> tuple[Array, Array]:
    """Returns Matérn 5/2 and its derivative by the squared distance."""
    root = np.sqrt(5 * squared)
    decay = np.exp(-root)
    slope = (1 + root) * decay
    return slope + (5 / 3) * squared * decay, (-5 / 6) * slope


@dataclass(frozen=True, slots=True)
class _Parts:
    """Holds the kernel of some networks with themselves, part by part, for its derivatives."""

    linear: Array
    smooth: Array
    joint: Array
    smooth_slope: Array
    joint_slope: Array
    smooth_squared: Array


def _parts(inputs: Inputs, gram: Array, squared: Array, settings: Settings) -> _Parts:
    variances = settings.amplitudes**2
    near = squared * settings.smooth_rate**2
    smooth, smooth_slope = _matern(near)
    scaled = inputs.joint * settings.rates[inputs.groups]
    joint, joint_slope = _matern(_squared(scaled, scaled))
    return _Parts(
        variances[0] * gram,
        variances[1] * smooth,
        variances[2] * joint,
        variances[1] * smooth_slope,
        variances[2] * joint_slope,
        near,
    )


def _kernel(a: Inputs, b: Inputs, settings: Settings) -> Array:
    variances = settings.amplitudes**2
    rates = settings.rates[a.groups]
    found: Array = variances[0] * (a.linear @ b.linear.T)
    found += variances[1] * _matern(_squared(a.smooth, b.smooth) * settings.smooth_rate**2)[0]
    found += variances[2] * _matern(_squared(a.joint * rates, b.joint * rates))[0]
    found += CONSTANT
    return found


def _diagonal(inputs: Inputs, settings: Settings) -> Array:
    variances = settings.amplitudes**2
    linear = (inputs.linear**2).sum(1) * variances[0]
    return np.asarray(linear + variances[1] + variances[2] + CONSTANT)


def _diffuse(inputs: Inputs, settings: Settings) -> Array:
    """Returns the variances (N,) of observations about the true values."""
    return np.asarray(settings.noise**2 + JITTER + inputs.doubts**2)


class _Evidence:
    """Minus the log marginal likelihood and prior of hyperparameters, with its gradient."""

    def __init__(self, inputs: Inputs, targets: Array) -> None:
        self.inputs, self.targets = inputs, targets
        self.mean, self.deviation = Settings.prior(inputs)
        self.gram = inputs.linear @ inputs.linear.T
        self.squared = _squared(inputs.smooth, inputs.smooth)

    def __call__(self, theta: Array) -> tuple[float, Array]:
        settings = Settings.of(theta)
        parts = _parts(self.inputs, self.gram, self.squared, settings)
        covariance = parts.linear + parts.smooth + parts.joint + CONSTANT
        covariance[np.diag_indices_from(covariance)] += _diffuse(self.inputs, settings)
        factor, failed = lapack.dpotrf(covariance, lower=1, clean=1)
        if failed:
            return 1e10, np.zeros_like(theta)
        inverse, _ = lapack.dpotri(factor, lower=1)
        inverse = np.tril(inverse) + np.tril(inverse, -1).T
        weights = inverse @ self.targets
        standard = (theta - self.mean) / self.deviation
        value = (
            0.5 * self.targets @ weights
            + np.log(np.diagonal(factor)).sum()
            + 0.5 * standard @ standard
        )
        pull = 0.5 * (inverse - np.outer(weights, weights))  # d value / d covariance
        return float(value), self._gradient(settings, parts, pull) + standard / self.deviation

    def _gradient(self, settings: Settings, parts: _Parts, pull: Array) -> Array:
        noise = 2 * settings.noise**2 * np.trace(pull)
        amplitudes = [2 * np.vdot(pull, part) for part in (parts.linear, parts.smooth, parts.joint)]
        smooth = 2 * np.vdot(pull * parts.smooth_slope, parts.smooth_squared)
        bent = pull * parts.joint_slope
        joint = self.inputs.joint
        # sum over pairs of bent·(x - x')², column by column, without an (N, N, J) array
        spread = 2 * (bent.sum(1) @ joint**2) - 2 * (joint * (bent @ joint)).sum(0)
        by_scale = np.bincount(self.inputs.groups, spread, minlength=len(settings.rates))
        own = 2 * settings.rates**2 * by_scale
        return np.array([noise, *amplitudes, smooth, own.sum(), *own])


def fit_settings(inputs: Inputs, targets: Array) -> Settings:
    """Finds the hyperparameters of greatest posterior probability for targets (N,) of variance 1.

    The result depends on nothing but the arguments; it is kept, so asking again costs nothing.
    """
    columns = (inputs.linear, inputs.smooth, inputs.joint)
    arrays = (*columns, inputs.groups, inputs.doubts, targets)
    return _fit(*((array.shape, array.dtype.str, array.tobytes()) for array in arrays))


@lru_cache(maxsize=64)
def _fit(*packed: tuple[tuple[int, ...], str, bytes]) -> Settings:
    arrays = [np.frombuffer(data, dtype=kind).reshape(shape) for shape, kind, data in packed]
    evidence = _Evidence(Inputs(*arrays[:-1]), arrays[-1])
    start, width = evidence.mean, 4 * evidence.deviation
    bounds = list(zip(start - width, start + width, strict=True))
    found = minimize(
        evidence, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": STEPS}
    )
    return Settings.of(found.x)


class Posterior:
    """What observations (N,) of networks say of other networks."""

    def __init__(self, inputs: Inputs, values: Array, settings: Settings, *, scale: float) -> None:
        """Conditions on `values`, deviations from the prior mean in units of `scale` apart."""
        self.settings, self.scale = settings, scale
        covariance = _kernel(inputs, inputs, settings)
        covariance[np.diag_indices_from(covariance)] += _diffuse(inputs, settings)
        whiten = _whitening(covariance)
        weights = whiten.T @ (whiten @ (values / scale))
        self.whiten, self.weights = whiten.astype(SINGLE, order="F"), weights.astype(SINGLE)
        variances = (settings.amplitudes**2).astype(SINGLE)
        self.linear = (inputs.linear.T * variances[0]).astype(SINGLE)
        self.near = [
            (rates, _lifted(columns * rates, known=True), variance)
            for columns, rates, variance in zip(
                (inputs.smooth, inputs.joint), _rates(inputs, settings), variances[1:], strict=True
            )
        ]

    def _cross(self, inputs: Inputs) -> Array:
        found: Array = inputs.linear.astype(SINGLE) @ self.linear
        for (rates, known, variance), columns in zip(
            self.near, (inputs.smooth, inputs.joint), strict=True
        ):
            squared = _lifted(columns * rates, known=False) @ known
            root = np.sqrt(np.maximum(squared, 0, out=squared))
            decay = np.exp(-root)
            squared /= 3
            squared += root
            squared += 1
            squared *= decay
            squared *= variance
            found += squared
        found += SINGLE(CONSTANT)
        return found

    def _whitened(self, cross: Array) -> Array:
        """Returns covariances (M, N) with observations by their independent parts (M, N)."""
        if not cross.size:  # BLAS refuses nothing
            return cross
        return np.asarray(blas.strmm(1.0, self.whiten, cross.T, lower=1)).T  # half is zeros

    @property
    def noise(self) -> float:
        """Returns the deviation of an observation from the true value."""
        return self.scale * self.settings.noise

    def covariance(self, one: Inputs, other: Inputs) -> Array:
        """Returns what is left unknown of both (N, M), noise left out."""
        known = self._whitened(self._cross(one)) @ self._whitened(self._cross(other)).T
        return np.asarray(self.scale**2 * (_kernel(one, other, self.settings) - known))

    def __call__(self, inputs: Inputs, *, spread: bool = True) -> tuple[Array, Array]:
        """Returns mean and deviation (M,) of networks' true values, noise left out."""
        means: list[Array] = [np.zeros(0)]
        variances: list[Array] = [np.zeros(0)]
        for start in range(0, len(inputs), CHUNK):
            part = inputs[start : start + CHUNK]
            cross = self._cross(part)
            means.append(cross @ self.weights)
            if spread:
                known = self._whitened(cross)
                explained = np.einsum("ij,ij->i", known, known)
                variances.append(_diagonal(part, self.settings) - explained)
        deviation = np.sqrt(np.maximum(np.concatenate(variances), JITTER))
        mean = np.concatenate(means).astype(float)
        return self.scale * mean, self.scale * deviation


def _whitening(covariance: Array) -> Array:
    """Returns the inverse (N, N) of the Cholesky factor."""
    if not len(covariance):  # LAPACK refuses nothing
        return covariance
    lower, failed = lapack.dpotrf(covariance, lower=1, clean=1)
    assert failed == 0, "a kernel with jitter is positive definite"
    return np.asarray(lapack.dtrtri(lower, lower=1)[0])


def _rates(inputs: Inputs, settings: Settings) -> tuple[Array, Array]:
    """Returns what each column of the two Matérn kernels is multiplied by, √5 included."""
    smooth = np.full(inputs.smooth.shape[1], settings.smooth_rate)
    return smooth * 5**0.5, settings.rates[inputs.groups] * 5**0.5


def _lifted(rows: Array, *, known: bool) -> Array:
    """Adds two columns that make a product of rows with `known` ones their squared distance."""
    size, one = (rows * rows).sum(1)[:, None], np.ones((len(rows), 1))
    columns = (-2 * rows, one, size) if known else (rows, size, one)
    lifted = np.concatenate(columns, axis=1).astype(SINGLE)
    return lifted.T.copy() if known else lifted
