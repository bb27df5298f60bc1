"""How regularisation grows with φ: dropout and augmentation as in the published families."""

from __future__ import annotations

import math
from dataclasses import dataclass

from search_spaces.errors import InputError

__all__ = ["Regularisation", "grown"]


@dataclass(frozen=True, slots=True)
class Regularisation:
    """Holds a network's rates of dropout and stochastic depth (its last block's), in [0, 1).

    `magnitude` of RandAugment, of 30, and `mixup`, α of its Beta distribution, are None where the
    recipe has no RandAugment.
    """

    dropout: float
    drop_path: float
    magnitude: float | None = None
    mixup: float | None = None

    def as_dict(self) -> dict[str, float | None]:
        """Returns the rates by name."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True, slots=True)
class _Rise:
    """Says how much a rate gains for one φ, and between which values it may be brought."""

    per_phi: float
    low: float
    high: float

    def at(self, own: float, phi: float) -> float:
        value = own + self.per_phi * phi
        return round(min(max(value, min(self.low, own)), max(self.high, own)), 4)


# EfficientNet: dropout from .2 for B0 to .5 for B7 in a line (arXiv:1905.11946, section 5.2); B7 is
# φ = 7. The rate of stochastic depth is .2 for all of them.
_DROPOUT = _Rise((0.5 - 0.2) / 7, 0.0, 0.5)
# EfficientNetV2: RandAugment's magnitude 15, 20, 25 and mixup 0, .2, .4 for S, M, L
# (arXiv:2104.00298, table 6), at 8.4, 24.7 and 56.3 billion MACs.
_S_TO_L = math.log2(56.3 / 8.4)
_MAGNITUDE = _Rise((25 - 15) / _S_TO_L, 5.0, 25.0)
_MIXUP = _Rise((0.4 - 0.0) / _S_TO_L, 0.0, 0.4)


def grown(own: Regularisation, phi: float) -> Regularisation:
    """Returns what a member at φ trains with, whose base (φ = 0) trains with `own`.

    Each rate rises in a line by what it rises by in the published family for a doubling of MACs,
    up to the largest value published there; stochastic depth stays. A smaller member has less.
    Raises `InputError` for a φ that is not finite.
    """
    if not math.isfinite(phi):
        raise InputError(f"φ is {phi!r}; it must be a finite number, such as 1 or 0.5")
    return Regularisation(
        dropout=_DROPOUT.at(own.dropout, phi),
        drop_path=own.drop_path,
        magnitude=None if own.magnitude is None else _MAGNITUDE.at(own.magnitude, phi),
        mixup=None if own.mixup is None else _MIXUP.at(own.mixup, phi),
    )
