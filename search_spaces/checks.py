"""The checks that specs make of their values: each raises `SpecError` in one line."""

from __future__ import annotations

from search_spaces.errors import InputError

__all__ = [
    "SpecError",
    "check_choice",
    "check_flag",
    "check_int",
    "check_kernel",
    "check_name",
    "check_real",
]

MAX_KERNEL = 31


class SpecError(InputError):
    """Says which value of an architecture makes no sense, and what would."""


def check_choice(where: str, value: object, options: tuple[object, ...]) -> None:
    """Refuses what is not among `options`."""
    if value not in options:
        raise SpecError(f"{where} is {value!r}; it must be one of {', '.join(map(str, options))}")


def check_flag(where: str, value: object) -> None:
    """Refuses what is neither true nor false."""
    if not isinstance(value, bool):
        raise SpecError(f"{where} is {value!r}; it must be true or false")


def check_int(where: str, value: int, low: int, high: int) -> None:
    """Refuses what is no whole number from `low` to `high`."""
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise SpecError(f"{where} is {value!r}; it must be a whole number from {low} to {high}")


def check_kernel(where: str, value: int) -> None:
    """Refuses what is no odd kernel size."""
    check_int(where, value, 1, MAX_KERNEL)
    if value % 2 == 0:  # padding by half an even kernel would change the output's side
        raise SpecError(f"{where} is {value}; it must be odd, such as 3 or 5")


def check_real(where: str, value: float, low: float, high: float) -> None:
    """Refuses what is no number between `low` and `high`."""
    real = isinstance(value, int | float) and not isinstance(value, bool)
    if not real or not low <= value <= high:
        raise SpecError(f"{where} is {value!r}; it must lie between {low:g} and {high:g}")


def check_name(name: str) -> None:
    """Refuses a network's name that is not one line, or that could not be a file's name."""
    if not (isinstance(name, str) and name and name.isprintable()):
        raise SpecError(f"name is {name!r}; it must be text of one line")
    if set(name) & set("/\\") or name.startswith("."):
        raise SpecError(f"name is {name!r}; it must not hold a slash or start with a dot")
