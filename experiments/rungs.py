"""What successive halving divides, and into how many rungs it can be."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from nas.halving import Halving
from search_spaces.errors import InputError

__all__ = ["FIDELITIES", "check_fidelity", "resolve_rungs", "rung_amounts"]

FIDELITIES: Mapping[str, str] = {
    "epochs": "epochs",
    "image-size": "pixels a side",
    "data": "training images",
}
"""What can be divided, each with what it is counted in."""

USUAL = 3
ROUNDING = 1e-9


def check_fidelity(name: str) -> str:
    """Returns the name; raises `InputError`, with the nearest, for one that cannot be divided."""
    if name not in FIDELITIES:
        near = difflib.get_close_matches(name, FIDELITIES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        known = ", ".join(FIDELITIES)
        raise InputError(f"--halving over {name!r} is not possible; {hint}it is one of {known}")
    return name


def rung_amounts(over: str, full: int, halving: Halving) -> tuple[int, ...]:
    """Returns what each rung has of it, the last one all.

    A rung's work is its share of the whole; that of a training goes with the square of the side.
    """
    return tuple(round(full * share ** _power(over)) for share in halving.shares)


def _power(over: str) -> float:
    return 0.5 if over == "image-size" else 1.0


def resolve_rungs(
    over: str, rungs: int | None, reduction: int, *, full: int, least: int
) -> Halving:
    """Returns the halving that is asked for; without a number of rungs, of up to three that fit.

    The first rung has `least` or more. Raises `InputError` where that leaves no room, and says how
    many rungs there is room for.
    """
    check_fidelity(over)
    fitting = _fitting(over, reduction, full, least)
    if fitting < 2:
        raise InputError(
            f"--halving {over}: {full} {FIDELITIES[over]} leave no room for a first rung of 1 in "
            f"{reduction}, at least {least}; give more of them, or a smaller --reduction"
        )
    halving = Halving(min(USUAL, fitting) if rungs is None else rungs, reduction)
    if halving.rungs > fitting:
        raise InputError(
            f"--rungs {rungs} with --reduction {reduction} leave the first rung fewer than {least} "
            f"of {full} {FIDELITIES[over]}; at most {fitting} fit"
        )
    return halving


def _fitting(over: str, reduction: int, full: int, least: int) -> int:
    """Counts the rungs that fit; 1 is no halving at all."""
    rungs = 1
    while full * Halving(rungs + 1, reduction).shares[0] ** _power(over) >= least * (1 - ROUNDING):
        rungs += 1
    return rungs
