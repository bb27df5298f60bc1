"""What is known of ImageNet accuracies, for samplers that take a prior."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from experiments.imagenet.files import SHIPPED, load_predictor
from nas.pairwise.prior import prior_of

__all__ = ["imagenet_prior"]


def imagenet_prior(
    names: Sequence[str] | None = None, path: Path = SHIPPED
) -> Callable[[np.ndarray], np.ndarray]:
    """Returns what maps rows of indices (N, choices) of space accel_nasbench to accuracies (N,).

    `names` says which choice each column is of, as `stage1.kernel`; None: in the space's own order.
    Raises `InputError` for names of another space.
    """
    return prior_of(load_predictor(path).predictor, names)
