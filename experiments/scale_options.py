"""The options of `nas scale` beyond those of other commands; None means that it was not given."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated

import typer

from search_spaces.resize import Rounding

__all__ = [
    "AS_THE_BASE",
    "Batch",
    "Constraint",
    "Divisor",
    "FixedEnds",
    "LateLayers",
    "Memory",
    "NinetyPercent",
    "Published",
    "Race",
    "RoundingOptions",
    "StepTable",
    "StepTime",
]

Constraint = Annotated[
    str,
    typer.Option(
        "--constraint", help="what is within the tolerance: nominal α·β²·γ², or counted MACs ratio"
    ),
]
Divisor = Annotated[
    int | None,
    typer.Option("--divisor", min=1, help="widths are multiples of this [the base's, 8]"),
]
NinetyPercent = Annotated[
    bool | None,
    typer.Option(
        "--ninety-percent/--no-ninety-percent", help="no width is rounded more than 10% down"
    ),
]
FixedEnds = Annotated[
    bool | None,
    typer.Option(
        "--fixed-ends/--no-fixed-ends",
        help="stem, head, first and last stage's repeats stay, as in Lite",
    ),
]
LateLayers = Annotated[
    float | None,
    typer.Option(
        "--late-layers", min=0, help="more layers in late stages: the last has depth^(1+this) [0]"
    ),
]
Published = Annotated[
    bool, typer.Option("--published", help="list the family as published, B0–B7 exactly")
]
Race = Annotated[
    bool,
    typer.Option("--race", help="spend at most a third of the grid, on who may still be best"),
]
Memory = Annotated[
    str | None,
    typer.Option("--memory", metavar="BYTES", help="the device's memory, as 24GiB [what it has]"),
]
Batch = Annotated[
    int | None, typer.Option("--batch", min=1, help="images of a training step [the recipe's]")
]
StepTime = Annotated[
    bool, typer.Option("--step-time", help="measure each member's training step on the device")
]
StepTable = Annotated[
    Path | None,
    typer.Option("--table", help="predict training steps, from a table of `nas bench blocks`"),
]


@dataclass(frozen=True, slots=True)
class RoundingOptions:
    """Holds the rounding rules that were given; None: as the base has it."""

    divisor: Divisor = None
    ninety_percent: NinetyPercent = None
    fixed_ends: FixedEnds = None
    late_layers: LateLayers = None

    def applied(self, rounding: Rounding) -> Rounding:
        """Returns the rules, those that were given in place of `rounding`'s."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(rounding, **{k: v for k, v in given.items() if v is not None})


AS_THE_BASE = RoundingOptions()
