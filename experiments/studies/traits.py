"""What any network can be described by, whatever its space: size, depth, kernels, balance."""

from __future__ import annotations

import numpy as np

from search_spaces.space import SearchSpace
from search_spaces.spec import StageSpec

__all__ = ["TRAITS", "Traits", "traits_of"]

Array = np.ndarray
REFERENCE = 2048
TRAITS = (
    "log MACs", "log params", "depth", "kernel", "expansion", "squeeze-excite",
    "centre of MACs", "evenness of MACs",
)  # fmt: skip


class Traits:
    """Describes encoded networks of a space as (N, 8), each in deviations of a random network's.

    So spaces of other sizes, made for other images, can be compared: the mean random network is at
    0 everywhere, and a trait in which a space's networks do not differ stays there. The centre of
    MACs is where in depth the mean one is spent, 0 to 1; evenness is the entropy of the stages'
    shares over that of equal ones.
    """

    def __init__(self, space: SearchSpace) -> None:
        self._space = space
        self._tables = [
            np.array([_counts(stage) for stage in stages]) for stages in space.combinations
        ]
        reference = traits_of(self, space.sample_encoded(np.random.default_rng(0), REFERENCE))
        deviation = reference.std(0)
        self._mean = reference.mean(0)
        self._deviation = np.where(deviation > 1e-9, deviation, np.inf)

    def __call__(self, encoded: Array) -> Array:
        """Returns the traits (N, 8) of encoded networks (N, choices)."""
        return np.asarray((traits_of(self, encoded) - self._mean) / self._deviation)

    def macs_by_stage(self, encoded: Array) -> Array:
        """Returns the MACs (N, stages), stem and head left out."""
        return np.asarray(self._space.tables.by_stage(encoded)[0][:, 1:-1], dtype=float)

    def sizes(self, encoded: Array) -> Array:
        """Returns the logarithms (N, 2) of MACs and parameters."""
        return np.asarray(np.log(np.stack(self._space.tables.count(encoded), axis=1)))

    def sums(self, encoded: Array) -> Array:
        """Returns the blocks, and the sums over blocks that `_counts` tells of: (N, 4)."""
        places = self._space.places
        found = [
            table[place.combination(encoded)]
            for table, place in zip(self._tables, places, strict=True)
        ]
        return np.asarray(np.sum(found, axis=0))


def _counts(stage: StageSpec | None) -> tuple[float, float, float, float]:
    """Returns a stage's blocks, and sums over them: kernel, log2 of expansion, squeeze-excite."""
    if stage is None:
        return (0.0, 0.0, 0.0, 0.0)
    each = (1.0, float(stage.kernel), float(np.log2(stage.expand)), float(stage.se_ratio > 0))
    return tuple(stage.repeats * value for value in each)  # type: ignore[return-value]


def traits_of(traits: Traits, encoded: Array) -> Array:
    """Returns the traits as they are, not yet in deviations."""
    sums, macs = traits.sums(encoded), traits.macs_by_stage(encoded)
    means = sums[:, 1:] / np.maximum(sums[:, :1], 1)
    share = macs / macs.sum(axis=1, keepdims=True)
    places = np.linspace(0, 1, share.shape[1])
    entropy = -(share * np.log(np.maximum(share, 1e-12))).sum(axis=1) / np.log(share.shape[1])
    columns = (sums[:, :1], means, (share @ places)[:, None], entropy[:, None])
    return np.concatenate([traits.sizes(encoded), *columns], axis=1)
