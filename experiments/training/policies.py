"""AutoAugment and RandAugment as published: kornia's, with some operations mapped otherwise.

The published ones move and turn images either way, the farther the larger the magnitude, which is
a strength for RandAugment throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import kornia.augmentation as kornia_augmentation
import torch
from kornia.augmentation.auto import AutoAugment, RandAugment
from kornia.augmentation.auto.autoaugment import ops
from kornia.augmentation.auto.operations import (
    OperationBase,
    Posterize,
    Rotate,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
)
from kornia.augmentation.auto.operations.policy import PolicySequential
from torch import Tensor

__all__ = ["PublishedAutoAugment", "StrengthRandAugment"]

LOW, HIGH = 0.1, 1.9  # a factor of 1 changes nothing
SHEAR = math.degrees(math.atan(0.3)) / 180  # kornia multiplies by 180 degrees

# Kornia's own list, with the shear that RandAugment's authors meant.
POLICY = [
    [("auto_contrast", 0, 1)],
    [("equalize", 0, 1)],
    [("invert", 0, 1)],
    [("rotate", -30.0, 30.0)],
    [("posterize", 4.0, 8.0)],
    [("solarize", 0.0, 1.0)],
    [("solarize_add", 0.0, 0.43)],
    [("color", LOW, HIGH)],
    [("contrast", LOW, HIGH)],
    [("brightness", LOW, HIGH)],
    [("sharpness", LOW, HIGH)],
    [("shear_x", -SHEAR, SHEAR)],
    [("shear_y", -SHEAR, SHEAR)],
    [("translate_x", -0.1, 0.1)],
    [("translate_y", -0.1, 0.1)],
]


def _either_way(factors: Tensor) -> Tensor:
    """Turns factors on the line from LOW to HIGH into 1 ± 0.9·strength, the sign at random."""
    strength = (factors - LOW) / (HIGH - LOW)
    sign = torch.where(torch.rand(factors.shape, device=factors.device) < 0.5, -1.0, 1.0)
    return 1 + (HIGH - 1) * strength * sign


def _from_the_top(thresholds: Tensor) -> Tensor:
    return 1 - thresholds


def _operation(
    made: torch.nn.Module, name: str, mapped: Callable[[Tensor], Tensor]
) -> OperationBase:
    return OperationBase(made, initial_magnitude=[(name, None)], magnitude_fn=mapped)


_MAPPED: dict[str, Callable[[], OperationBase]] = {
    "color": lambda: _operation(
        kornia_augmentation.RandomSaturation((LOW, HIGH), p=1.0), "saturation_factor", _either_way
    ),
    "contrast": lambda: _operation(
        kornia_augmentation.RandomContrast((LOW, HIGH), p=1.0), "contrast_factor", _either_way
    ),
    "brightness": lambda: _operation(
        kornia_augmentation.RandomBrightness((LOW, HIGH), p=1.0), "brightness_factor", _either_way
    ),
    "sharpness": lambda: _operation(
        kornia_augmentation.RandomSharpness((LOW, HIGH), p=1.0), "sharpness", _either_way
    ),
    "solarize": lambda: _operation(
        kornia_augmentation.RandomSolarize((0.0, 1.0), additions=0.0, p=1.0),
        "thresholds",
        _from_the_top,
    ),
}


class StrengthRandAugment(RandAugment):  # type: ignore[misc]  # kornia has no types here
    """Applies `n` operations at magnitude `m`, in (0, 30): a larger one changes images more.

    Kornia maps a magnitude of 15 to no change of colour, contrast, brightness and sharpness, and a
    small one to the strongest solarising; under progressive learning that would be backwards.
    """

    def __init__(self, n: int, m: float) -> None:
        super().__init__(n, m, policy=POLICY, transformation_matrix_mode="skip")

    def compose_subpolicy_sequential(self, subpolicy: Any) -> PolicySequential:
        """Builds an operation: a mapped one, or else kornia's own."""
        ((name, _, _),) = subpolicy
        if name in _MAPPED:
            return PolicySequential(_MAPPED[name]())
        return super().compose_subpolicy_sequential(subpolicy)


_LEVELS = 10  # AutoAugment's magnitudes are 0 to 9 of so many
_BITS = 4
_MOVES: dict[str, tuple[type[OperationBase], float]] = {
    "rotate": (Rotate, 30.0),  # degrees
    "shear_x": (ShearX, SHEAR),
    "shear_y": (ShearY, SHEAR),
    "translate_x": (TranslateX, 150 / 331),  # of the side
    "translate_y": (TranslateY, 150 / 331),
}


def _published(name: str, probability: float, magnitude: int | None) -> OperationBase:
    if name in _MOVES:
        made, top = _MOVES[name]
        assert magnitude is not None
        value = top * magnitude / _LEVELS
        return made(None, probability, magnitude_range=(value, value), symmetric_megnitude=True)
    if name == "posterize":
        assert magnitude is not None
        bits = float(int(_BITS * magnitude / _LEVELS))
        return Posterize(None, probability, magnitude_range=(bits, bits))
    operation: OperationBase = getattr(ops, name)(probability, magnitude)
    return operation


class PublishedAutoAugment(AutoAugment):  # type: ignore[misc]  # kornia has no types here
    """Applies a published policy (`imagenet`, `cifar10`, `svhn`), drawn anew for each call.

    Angles, shears and shifts grow with the magnitude, to 30 degrees, 0.3 and 150/331 of the side,
    either way (arXiv:1805.09501, table 6), where kornia's go from one end to the other; posterising
    keeps 4·magnitude/10 bits, as in tensorflow/tpu's autoaugment.py.
    """

    def __init__(self, policy: str) -> None:
        super().__init__(policy, transformation_matrix_mode="skip")

    def compose_subpolicy_sequential(self, subpolicy: Any) -> PolicySequential:
        """Builds a pair of operations."""
        return PolicySequential(*[_published(*entry) for entry in subpolicy])
