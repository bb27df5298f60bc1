"""The kernel's strongest directions as features, for the deviation of a prediction.

A stage's kernel has few directions that matter, and a pair's are the products of its stages'. In
so many features the process is a Bayesian linear regression (Rasmussen and Williams, section 2.1),
whose deviation costs a small matrix where the exact one costs one as large as the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nas.pairwise.kernel import Hyper, Inputs

__all__ = ["Features"]

Array = np.ndarray
MOST = 800
OF_A_STAGE = 20


@dataclass(frozen=True)
class Features:
    """Maps networks to their coordinates in the strongest directions of the kernel."""

    kernels: list[Array]
    hyper: Hyper
    most: int = MOST

    @cached_property
    def _stages(self) -> list[Array]:
        """Returns by stage its features, strongest first: (combinations, directions)."""
        found = []
        for kernel in self.kernels:
            values, vectors = np.linalg.eigh(kernel)
            scaled = vectors * np.sqrt(np.maximum(values, 0))
            found.append(scaled[:, ::-1][:, :OF_A_STAGE])
        return found

    @cached_property
    def _chosen(self) -> list[tuple[tuple[int, int], ...]]:
        """Lists the strongest features as (stage, direction), alone or in pairs."""
        power = [(stage**2).mean(axis=0) for stage in self._stages]
        ranked: list[tuple[float, tuple[tuple[int, int], ...]]] = []
        for t, other in enumerate(power):
            ranked += [(float(value), ((t, j),)) for j, value in enumerate(other)]
            for s, one in enumerate(power[:t]):
                products = self.hyper.pairs * np.outer(one, other)
                ranked += [
                    (float(value), ((s, i), (t, j))) for (i, j), value in np.ndenumerate(products)
                ]
        ranked.sort(key=lambda entry: (-entry[0], entry[1]))
        return [places for _, places in ranked[: self.most]]

    def __call__(self, inputs: Inputs) -> Array:
        """Returns features (N, features) whose products are all but the kernel's values."""
        columns = inputs.combinations.T
        stages = [table[column] for table, column in zip(self._stages, columns, strict=True)]
        chosen = len(self._chosen)
        found = np.empty((len(inputs), chosen + inputs.logs.shape[1]))
        found[:, chosen:] = inputs.logs * np.sqrt(self.hyper.linear)
        for number, ((s, i), *other) in enumerate(self._chosen):
            found[:, number] = stages[s][:, i]
            for t, j in other:
                found[:, number] *= np.sqrt(self.hyper.pairs) * stages[t][:, j]
        return found
