"""How the networks of a report's training curves are told apart, and which are shown at first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.report.contents import Contents
from experiments.report.curves import Curve
from experiments.report.figures import PALETTE

__all__ = ["MOST_SHOWN", "Line", "lines_of"]

MOST_SHOWN = 8
# A base and two baselines, which come first, look as they do in the figure of test accuracies.
COLORS = (*PALETTE[1:4], PALETTE[0], *PALETTE[4:])
SYMBOLS = (
    "star", "square", "diamond", "circle", "triangle-up", "cross", "x", "triangle-down",
)  # fmt: skip
DASHES = ("solid", "dash", "dot", "dashdot")


@dataclass(frozen=True, slots=True)
class Line:
    """Gathers a network's trainings, and what its lines look like.

    `key` names it in the page; `role` is that of the final table, "" where there is no table.
    """

    key: str
    name: str
    role: str
    curves: tuple[Curve, ...]
    color: str
    symbol: str
    dash: str
    shown: bool

    @property
    def progressive(self) -> bool:
        """Tells whether the side of the images changed while it was trained."""
        return any(len({record.resolution for record in c.epochs}) > 1 for c in self.curves)


def lines_of(contents: Contents) -> tuple[Line, ...]:
    """Returns a line a network, in the order of the final table, others after.

    Those that are shown at first differ in colour. What a former base or family left behind is
    not among them, where there is a final table.
    """
    roles = {row["name"]: str(row["role"]) for row in contents.results}
    if roles:
        roles |= {training.name: "nas train" for training in contents.trained}
    names = list(dict.fromkeys(curve.network for curve in contents.curves))
    names.sort(key=lambda name: list(roles).index(name) if name in roles else len(roles))
    important = _by_importance(names, roles)
    shown = [name for name in important if name in roles or not roles][:MOST_SHOWN]
    return tuple(
        Line(
            key=f"n{number}",
            name=name,
            role=roles.get(name, "not in the final table" if roles else ""),
            curves=tuple(curve for curve in contents.curves if curve.network == name),
            shown=name in shown,
            **_look(important.index(name)),
        )
        for number, name in enumerate(names)
    )


def _by_importance(names: Sequence[str], roles: Mapping[str, str]) -> list[str]:
    """Puts the base and what it is held against before the other members."""
    return sorted(
        names, key=lambda name: (name not in roles, roles.get(name) not in {"base", "baseline"})
    )


def _look(rank: int) -> dict[str, str]:
    return {
        "color": COLORS[rank % len(COLORS)],
        "symbol": SYMBOLS[rank % len(SYMBOLS)],
        "dash": DASHES[rank // len(COLORS) % len(DASHES)],
    }
