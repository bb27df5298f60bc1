"""What may be chosen for one stage of a skeleton, and the stage that a choice makes of it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from search_spaces.block_spec import EXPANDING_KINDS
from search_spaces.resize import round_filters
from search_spaces.spec import Activation, BlockKind, Skip, StageSpec

__all__ = ["OpOptions", "StageOptions", "Value", "combinations"]

Value = int | float | str

WIDENING_KINDS = ("mbconv", "fused", "bottleneck")


@dataclass(frozen=True, slots=True)
class StageOptions:
    """Lists what may be chosen for one stage; where nothing is listed, the skeleton's stays.

    `layers` is added to the skeleton's repeats, `widths` multiply its channels. What a kind cannot
    have falls away, whatever is chosen: the expansion of a conv or dsconv, and the squeeze-excite
    of a conv or, as in EfficientNetV2, of a Fused-MBConv. Several choices then build one network.
    """

    kinds: tuple[BlockKind, ...] = ("mbconv",)
    kernels: tuple[int, ...] = (3, 5)
    expands: tuple[float, ...] = (3, 6)
    se_ratios: tuple[float, ...] = (0, 0.25)
    layers: tuple[int, ...] = (-1, 0, 1)
    widths: tuple[float, ...] = (0.75, 1, 1.25)
    skips: tuple[Skip, ...] = ()
    acts: tuple[Activation, ...] = ()

    def table(self) -> dict[str, tuple[Value, ...]]:
        """Returns the options by the name of the choice, without those that are not listed."""
        listed: dict[str, tuple[Value, ...]] = {
            "kind": self.kinds,
            "kernel": self.kernels,
            "expand": self.expands,
            "se": self.se_ratios,
            "skip": self.skips,
            "act": self.acts,
            "layers": self.layers,
            "width": self.widths,
        }
        return {name: options for name, options in listed.items() if options}

    def apply(self, base: StageSpec, values: Mapping[str, Value]) -> StageSpec:
        """Returns the skeleton's stage `base` with `values` chosen."""
        bare = {
            "kind": "conv",
            "expand": 1,
            "expand_ch": None,
            "expand_always": False,
            "se_ratio": 0,
        }
        stage = replace(base, **bare)  # type: ignore[arg-type]
        changes: dict[str, Any] = {"kind": values.get("kind", base.kind)}
        if changes["kind"] in WIDENING_KINDS:
            chosen = "expand" in values
            changes["expand"] = _plain(values["expand"]) if chosen else base.expand
            changes["expand_ch"] = None if chosen else base.expand_ch
            if changes["kind"] in EXPANDING_KINDS:
                changes["expand_always"] = base.expand_always and not chosen
        as_it_was = changes["kind"] == base.kind and "se" not in values
        if as_it_was or changes["kind"] in ("mbconv", "dsconv"):
            changes["se_ratio"] = _plain(values.get("se", base.se_ratio))
        for name in ("skip", "act"):
            changes[name] = values.get(name, getattr(base, name))
        if values.get("width", 1) != 1:
            changes["out_ch"] = round_filters(base.out_ch * float(values["width"]))
        return replace(
            stage,
            **changes,
            kernel=int(values.get("kernel", base.kernel)),
            repeats=max(1, base.repeats + int(values.get("layers", 0))),
        )


@dataclass(frozen=True, slots=True)
class OpOptions:
    """Lists what one layer may be: a stage by the name of each operation, or None for no layer."""

    ops: tuple[tuple[str, StageSpec | None], ...]

    def table(self) -> dict[str, tuple[Value, ...]]:
        """Returns the options by the name of the choice."""
        return {"op": tuple(name for name, _ in self.ops)}

    def apply(self, base: StageSpec, values: Mapping[str, Value]) -> StageSpec | None:
        """Returns the operation chosen, as wide and as strided as the skeleton's stage `base`."""
        stage = dict(self.ops)[str(values["op"])]
        return None if stage is None else replace(stage, out_ch=base.out_ch, stride=base.stride)


def combinations(
    options: StageOptions | OpOptions, base: StageSpec
) -> tuple[StageSpec | None, ...]:
    """Returns the stage of every combination of choices, the last choice changing fastest."""
    table = options.table()
    made: dict[StageSpec | None, StageSpec | None] = {}  # equal stages as one object: quick to hash
    stages = (
        options.apply(base, dict(zip(table, values, strict=True)))
        for values in itertools.product(*table.values())
    )
    return tuple(made.setdefault(stage, stage) for stage in stages)


def _plain(value: Value) -> float:
    """Returns a number as whole if it is: 6.0 and 6 are one expansion."""
    number = float(value)
    return int(number) if number.is_integer() else number
