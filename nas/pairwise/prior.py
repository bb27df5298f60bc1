"""The predictor as what a sampler may expect of networks before any is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from nas.pairwise.model import Predictor
from search_spaces.errors import InputError

__all__ = ["prior_of"]

Array = np.ndarray


def prior_of(predictor: Predictor, names: Sequence[str] | None = None) -> Callable[[Array], Array]:
    """Returns what maps rows of indices (N, choices) to expected accuracies (N,).

    `names` says which choice each column is of; None: in the space's own order. Raises
    `InputError` for names that are not the space's.
    """
    own = [choice.name for choice in predictor.space.choices]
    asked = own if names is None else [*names]
    if sorted(asked) != sorted(own):
        raise InputError(f"a prior of space {predictor.space.name} has other choices than asked")
    order = np.array([asked.index(name) for name in own])

    def accuracies(rows: Array) -> Array:
        return predictor.accuracy(np.asarray(rows)[:, order].astype(np.int64))

    return accuracies
