"""Checks of integer labels, shared by the sources that hold them in arrays."""

from collections.abc import Callable

import numpy as np

from experiments.data.image_data import IndexArray
from search_spaces.errors import InputError

__all__ = ["check_names", "check_range", "numbered_classes"]


def check_range(labels: IndexArray, num_classes: int | None, where: Callable[[int], str]) -> None:
    """Raises InputError naming the first label that is negative or not below `num_classes`."""
    wrong = labels < 0
    if num_classes is not None:
        wrong |= labels >= num_classes
    if wrong.any():
        row = int(np.argmax(wrong))
        right = "0 or more" if num_classes is None else f"0 to {num_classes - 1}"
        raise InputError(f"{where(row)}: label {labels[row]} must be {right}")


def numbered_classes(labels: IndexArray, origin: str) -> tuple[str, ...]:
    """Returns "0" to "K-1" for labels that use each of them; raises InputError at a gap."""
    used = np.unique(labels)
    gaps = np.flatnonzero(used != np.arange(len(used)))
    if len(gaps):
        raise InputError(
            f"{origin}: label {gaps[0]} has no images while label {used[-1]} has; without class "
            "names, labels must be 0 to K-1 with none left out"
        )
    return tuple(str(number) for number in range(len(used)))


def check_names(names: tuple[str, ...], origin: str) -> None:
    """Raises InputError when a class name comes twice."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"{origin}: class '{name}' is listed twice; names must differ")
        seen.add(name)
