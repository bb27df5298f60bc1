"""Where a network stands in a search space: the choices that build it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from search_spaces.codec import fingerprint
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec

__all__ = ["encode_spec"]


def encode_spec(space: SearchSpace, spec: ArchSpec) -> np.ndarray | None:
    """Returns choices (choices,) that build `spec`, or None where the space does not hold it.

    Dropout and stochastic depth are how a network is trained: in these it may differ.
    """
    if len(spec.stages) != len(space.places):
        return None
    row = []
    for stage, combinations, places in zip(
        spec.stages, space.combinations, space.places, strict=True
    ):
        if stage not in combinations:
            return None
        row.append(places.choices(np.array([combinations.index(stage)]))[0])
    encoded = np.concatenate(row)
    built = space.decode(space.values(encoded))
    same = replace(built, dropout=spec.dropout, drop_path=spec.drop_path)
    return encoded if fingerprint(same) == fingerprint(spec) else None
