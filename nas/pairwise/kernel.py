"""How alike two networks of a space are: stage by stage, and by every pair of stages.

With k_s(a, b) = v_s·exp(−½ Σ_c (r_c·(a_c − b_c))²) over the choices c of stage s, the kernel is

    k(x, y) = Σ_s k_s + p·Σ_{s<t} k_s·k_t + Σ_i l_i·z_i(x)·z_i(y),

where z are log-MACs and log-params. It is an additive Gaussian process (Duvenaud, Nickisch and
Rasmussen, "Additive Gaussian Processes", NeurIPS 2011) cut off after pairs: its mean is one table
a stage and one a pair of stages, so that whatever follows is looked up and added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search_spaces.space import SearchSpace, Value

__all__ = ["Hyper", "Inputs", "add_stages", "coordinates", "gram", "inputs_of", "stage_kernels"]

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Hyper:
    """Holds what is fitted of the kernel and of the measurements around it.

    `rates` (choices,) are inverse lengths, `weights` (stages,) the variances v_s, `pairs` is p,
    `linear` (2,) the l_i, `noise` the variance of one measurement; accuracies stay below `ceiling`.
    """

    rates: Array
    weights: Array
    pairs: float
    linear: Array
    noise: float
    ceiling: float


@dataclass(frozen=True, slots=True)
class Inputs:
    """Holds networks as the kernel sees them.

    `combinations` (N, stages) number each stage's choices, `logs` (N, 2) are log-MACs and
    log-params.
    """

    combinations: Array
    logs: Array

    def __len__(self) -> int:
        return len(self.combinations)

    def __getitem__(self, rows: Array | slice) -> Inputs:
        return Inputs(self.combinations[rows], self.logs[rows])


def inputs_of(space: SearchSpace, encoded: Array) -> Inputs:
    """Returns encoded networks (N, choices) as the kernel sees them."""
    combinations = [places.combination(encoded) for places in space.places]
    return Inputs(np.stack(combinations, axis=1), np.log(np.stack(space.tables.count(encoded), 1)))


def coordinates(space: SearchSpace) -> list[Array]:
    """Returns by stage the place of each combination's choices, (combinations, choices) in [0, 1].

    Numbers keep their distances; names are placed in their order.
    """
    found = []
    for places in space.places:
        every = places.choices(np.arange(int(np.prod(places.sizes))))
        scales = [_scale(space.choices[column].options) for column in places.columns]
        columns = [scale[index] for scale, index in zip(scales, every.T, strict=True)]
        found.append(np.stack(columns, axis=1) if columns else np.zeros((len(every), 0)))
    return found


def _scale(options: Sequence[Value]) -> Array:
    numbers = [n if isinstance(v, str) else v for n, v in enumerate(options)]
    values = np.array(numbers, dtype=float)
    scale: Array = (values - values.min()) / (values.max() - values.min())
    return scale


def stage_kernels(space: SearchSpace, hyper: Hyper) -> list[Array]:
    """Returns k_s by stage, (combinations, combinations)."""
    found = []
    for places, place, weight in zip(space.places, coordinates(space), hyper.weights, strict=True):
        scaled = place * hyper.rates[list(places.columns)]
        squares = ((scaled[:, None] - scaled[None]) ** 2).sum(axis=-1)
        found.append(weight * np.exp(-0.5 * squares))
    return found


def add_stages(kernels: Sequence[Array], pairs: float) -> Array:
    """Returns Σ k_s + p·Σ k_s·k_t of the stages' values, which have one shape."""
    total, squares = np.zeros_like(kernels[0]), np.zeros_like(kernels[0])
    for kernel in kernels:
        total += kernel
        squares += kernel**2
    added: Array = total + 0.5 * pairs * (total**2 - squares)
    return added


def gram(kernels: Sequence[Array], hyper: Hyper, one: Inputs, other: Inputs) -> Array:
    """Returns k of every pair of networks, (N, M); their logs are centred already."""
    values = [
        kernel[np.ix_(a, b)]
        for kernel, a, b in zip(kernels, one.combinations.T, other.combinations.T, strict=True)
    ]
    every: Array = add_stages(values, hyper.pairs) + (one.logs * hyper.linear) @ other.logs.T
    return every
