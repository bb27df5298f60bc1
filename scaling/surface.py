"""The response surface of a score over log α, log β and log γ, with what is not known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, cholesky
from scipy.optimize import minimize

from scaling.compound import Constants
from search_spaces.errors import InputError

__all__ = ["Observation", "Surface", "fit_surface", "paired_deviation"]

Floats = NDArray[np.float64]

DRAWS = 4000
JITTER = 1e-9
REACH = 0.25  # of log constants, about where the smooth part's length is looked for: ×1.28
KNOWN_DOUBT = 0.3  # of the log of a noise that is known from the number of images
FREE = 10.0  # the prior deviation of what is left of a group's mean: about any is allowed


@dataclass(frozen=True, slots=True)
class Observation:
    """Holds one training's score: of which candidate (its number), how long, with which seed.

    Trainings of the same `epochs` and `seed` share data order and split, so they are a group whose
    mean says nothing of the candidates.
    """

    candidate: int
    epochs: int
    seed: int
    score: float


@dataclass(frozen=True, slots=True)
class _Scales:
    """Holds the surface's deviations (in units of the scores') and its length.

    smooth: of what varies with the constants; own: of what a candidate's rounding adds to it;
    short: of what a shorter training gets wrong about a candidate; noise: from seed to seed.
    """

    smooth: float
    own: float
    short: float
    noise: float
    length: float


# Where the deviations are looked for, and how far from there in factors of e.
_EXPECTED = np.log([0.7, 0.3, 0.3, 0.5, REACH])
_DOUBT = np.array([1.0, 1.0, 1.0, 1.5, 0.5])


@dataclass(frozen=True, slots=True)
class Surface:
    """Holds what is known of every candidate's score at the longest training.

    `mean` (N,) and `covariance` (N, N) are of a Gaussian; `noise` is the deviation of a training
    from seed to seed; `observed` (N,) counts the trainings of each candidate.
    """

    points: tuple[Constants, ...]
    mean: Floats
    covariance: Floats
    noise: float
    observed: NDArray[np.int64]

    @property
    def deviation(self) -> Floats:
        """Returns the deviation of each candidate's score, (N,)."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0))

    @property
    def leader(self) -> int:
        """Returns the candidate with the best expected score."""
        return int(np.argmax(np.round(self.mean, 12)))

    def behind(self, other: int) -> tuple[Floats, Floats]:
        """Returns how far each candidate is expected to be behind another; its deviation, (N,)."""
        spread = np.diag(self.covariance) + self.covariance[other, other]
        spread = spread - 2 * self.covariance[other]
        return self.mean[other] - self.mean, np.sqrt(np.maximum(spread, 0))

    def draws(self, count: int = DRAWS, *, seed: int = 0) -> Floats:
        """Draws scores of all candidates, (count, N); the same ones for the same seed."""
        lower = _root(self.covariance)
        normal = np.random.default_rng(seed).standard_normal((count, len(self.mean)))
        return np.asarray(self.mean + normal @ lower.T)

    def chances(self, *, seed: int = 0) -> Floats:
        """Returns how probable it is that each candidate is the best of all, (N,)."""
        best = np.argmax(self.draws(seed=seed), axis=1)
        return np.bincount(best, minlength=len(self.mean)) / len(best)

    def intervals(self, *, level: float = 0.95, seed: int = 0) -> dict[str, tuple[float, float]]:
        """Returns the interval of each constant of the best candidate, at a level of credibility.

        Scores are drawn from the surface; each draw has a best candidate, and the intervals hold
        the middle `level` of their constants.
        """
        best = np.argmax(self.draws(seed=seed), axis=1)
        ends = [(1 - level) / 2, (1 + level) / 2]
        found = {}
        for name in ("alpha", "beta", "gamma"):
            values = np.array([getattr(point, name) for point in self.points])[best]
            low, high = np.quantile(values, ends, method="inverted_cdf")
            found[name] = (float(low), float(high))
        return found


def fit_surface(
    points: Sequence[Constants], seen: Sequence[Observation], *, noise: float | None = None
) -> Surface:
    """Fits a Gaussian process to trainings of candidates, some of them short.

    score(candidate, epochs, seed) = mean(epochs, seed) + smooth(log α, log β, log γ) +
    own(candidate) + short(candidate, epochs) + noise, each term Gaussian; `short` is 0 for the
    longest trainings.
    Means of groups are free, so only differences within a group (the same seed) tell: that is the
    pairing. The deviations and the length of `smooth` are those of the largest posterior density
    (Rasmussen and Williams 2006, section 5.4.1), each with a wide log-normal prior: with one seed
    it is the prior that divides what is not smooth between `own` and `noise`. `noise` is the
    deviation from seed to seed that is expected, in scores; None: it is not known.
    Raises `InputError` for fewer than two trainings.
    """
    if len(seen) < 2:
        raise InputError(f"surface: {len(seen)} trainings show no surface; it needs at least 2")
    centred = _centred(seen)
    unit = float(centred.std()) or 1.0
    centred = centred / unit
    design = _Design.of(points, seen)
    expected, doubt = _EXPECTED.copy(), _DOUBT.copy()
    if noise:
        expected[3], doubt[3] = np.log(noise / unit), KNOWN_DOUBT

    def cost(logs: Floats) -> float:
        away = (logs - expected) / doubt
        return design.misfit(_Scales(*np.exp(logs)), centred) + 0.5 * float(away @ away)

    bounds = list(zip(expected - 3 * doubt, expected + 3 * doubt, strict=True))
    found = minimize(cost, expected, method="L-BFGS-B", bounds=bounds)
    scales = _Scales(*np.exp(found.x))
    mean, covariance = design.posterior(scales, centred)
    mean, covariance = _levelled(seen, mean * unit, covariance * unit**2)
    counts = np.bincount([each.candidate for each in seen], minlength=len(points))
    return Surface(tuple(points), mean, covariance, scales.noise * unit, counts)


def _centred(seen: Sequence[Observation]) -> Floats:
    """Returns the scores without the means of their groups, (n,)."""
    groups: dict[tuple[int, int], list[float]] = {}
    for each in seen:
        groups.setdefault((each.epochs, each.seed), []).append(each.score)
    means = {group: sum(mine) / len(mine) for group, mine in groups.items()}
    return np.array([each.score - means[each.epochs, each.seed] for each in seen])


def _levelled(
    seen: Sequence[Observation], mean: Floats, covariance: Floats
) -> tuple[Floats, Floats]:
    """Gives a surface the level of the longest trainings, with the seeds that they had.

    What those seeds shift for all candidates is no doubt about any of them, so it is taken out.
    """
    longest = max(each.epochs for each in seen)
    scores = [each for each in seen if each.epochs == longest]
    weights = np.bincount([each.candidate for each in scores], minlength=len(mean)) / len(scores)
    level = float(np.mean([each.score for each in scores]))
    centre = np.eye(len(mean)) - weights  # takes the weighted mean out
    return level + centre @ mean, centre @ covariance @ centre.T


def paired_deviation(table: Floats) -> float:
    """Estimates the deviation of one training from scores (candidates, seeds), seeds paired.

    What is left of a score without its candidate's and its seed's means, over the
    (candidates − 1)·(seeds − 1) degrees of freedom: what all candidates gain or lose by a seed is
    no error of a comparison. Not a number (NaN) without two of each.
    """
    rows, columns = table.shape
    if rows < 2 or columns < 2:
        return float("nan")
    left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    return float(np.sqrt((left**2).sum() / ((rows - 1) * (columns - 1))))


@dataclass(frozen=True, slots=True)
class _Design:
    """Holds which training is of which candidate and group, and how far candidates are apart."""

    squared: Floats  # (N, N), of log constants
    candidate: NDArray[np.int64]  # (n,)
    same_group: Floats  # (n, n), 1 where epochs and seed are the same
    same_short: Floats  # (n, n), 1 where epochs are the same and not the most

    @classmethod
    def of(cls, points: Sequence[Constants], seen: Sequence[Observation]) -> _Design:
        places = np.log([[p.alpha, p.beta, p.gamma] for p in points])
        squared = ((places[:, None] - places[None]) ** 2).sum(axis=2)
        candidate = np.array([each.candidate for each in seen])
        epochs = np.array([each.epochs for each in seen])
        seed = np.array([each.seed for each in seen])
        same_epochs = epochs[:, None] == epochs
        short = same_epochs & (epochs < epochs.max())
        group = same_epochs & (seed[:, None] == seed)
        return cls(squared, candidate, group.astype(float), short.astype(float))

    def prior(self, scales: _Scales) -> Floats:
        """Returns the prior covariance of the candidates' scores, (N, N)."""
        return np.asarray(
            scales.smooth**2 * self._near(scales) + scales.own**2 * np.eye(len(self.squared))
        )

    def _near(self, scales: _Scales) -> Floats:
        return np.asarray(np.exp(-self.squared / (2 * scales.length**2)))

    def covariance(self, scales: _Scales) -> Floats:
        """Returns the covariance of the scores of the trainings, (n, n)."""
        pairs = np.ix_(self.candidate, self.candidate)
        # Short trainings err alike for constants that are alike, and by themselves as much.
        short = scales.short**2 / 2 * (self._near(scales) + np.eye(len(self.squared)))
        whole = self.prior(scales)[pairs] + self.same_short * short[pairs]
        whole += FREE**2 * self.same_group
        return np.asarray(whole + (scales.noise**2 + JITTER) * np.eye(len(whole)))

    def misfit(self, scales: _Scales, scores: Floats) -> float:
        """Returns the negative log likelihood, up to a constant."""
        factor = cho_factor(self.covariance(scales), lower=True)
        fitted = float(scores @ cho_solve(factor, scores))
        return 0.5 * fitted + float(np.log(np.diag(factor[0])).sum())

    def posterior(self, scales: _Scales, scores: Floats) -> tuple[Floats, Floats]:
        """Returns mean (N,) and covariance (N, N) of the candidates' scores."""
        prior = self.prior(scales)
        across = prior[:, self.candidate]
        factor = cho_factor(self.covariance(scales), lower=True)
        mean = across @ cho_solve(factor, scores)
        return mean, prior - across @ cho_solve(factor, across.T)


def _root(covariance: Floats) -> Floats:
    """Returns the lower root of a covariance that rounding may have left slightly indefinite."""
    largest = float(np.diag(covariance).max())
    return np.asarray(
        cholesky(covariance + (1e-8 * largest + 1e-18) * np.eye(len(covariance)), lower=True)
    )
