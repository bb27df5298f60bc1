"""What a search weighs and what it limits, read from the command's words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from experiments.amounts import (
    format_bytes,
    format_count,
    parse_bytes,
    parse_count,
    parse_seconds,
)
from experiments.plugins import load_function, source_digest
from nas.costs import UNITS, check_cost
from nas.objective import Objective, Plugin, is_plugin
from search_spaces.errors import InputError

__all__ = ["Aim", "amount_text", "file_digest", "parse_amount", "read_aim"]


@dataclass(frozen=True, slots=True)
class Aim:
    """Says what accuracy is weighed against, and what no network may cost.

    `target` is an amount of `cost`, as `limits` are of theirs: MACs, parameters, bytes, seconds.
    `front_cost` is what the Pareto front is drawn over, `table` a file that tells times. `plugin`
    is the user's own reward, and `plugin_digest` that of its source.
    """

    target: float | None = None
    cost: str = "macs"
    objective: str = "soft"
    exponent: float | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    front_cost: str = "macs"
    table: Path | None = None
    plugin: Plugin | None = None
    plugin_digest: str = ""

    def reward(self) -> Objective:
        """Returns the reward; raises `InputError` for one that makes no sense."""
        return Objective(self.objective, self.target, self.exponent, self.cost, self.plugin)


def parse_amount(cost: str, text: str, *, what: str) -> float:
    """Reads an amount of a cost: `2M` MACs or parameters, `5ms`, `2GiB`."""
    readers = {"seconds": parse_seconds, "bytes": parse_bytes}
    return readers.get(UNITS[cost], parse_count)(text, what=what)


def amount_text(cost: str, value: float) -> str:
    """Writes an amount of a cost as it may be read again, to three figures: `2M`, `5ms`."""
    if UNITS[cost] == "seconds":
        return f"{value * 1e3:.3g}ms" if value < 1 else f"{value:.3g}s"
    return format_bytes(value) if UNITS[cost] == "bytes" else format_count(value)


def read_aim(
    target_macs: str | None = None,
    *,
    target: str | None = None,
    cost: str | None = None,
    objective: str = "soft",
    exponent: float | None = None,
    at_most: Iterable[str] | None = None,
    front_cost: str | None = None,
    table: Path | None = None,
) -> Aim:
    """Reads what the command says; imports the user's own reward where it names one."""
    own = load_function(objective, what="--objective") if is_plugin(objective) else None
    weighed = check_cost(_name(cost or ("step_time" if objective == "v2" else "macs")))
    wanted = None
    if target_macs is not None:
        if target is not None or weighed != "macs":
            raise InputError(
                f"--target-macs is a target of MACs; for {weighed} give "
                f"--cost {weighed} --target AMOUNT alone"
            )
        wanted = parse_count(target_macs, what="--target-macs")
    elif target is not None:
        wanted = parse_amount(weighed, target, what="--target")
    if (wanted is None) != (own is not None):
        raise InputError(_missing(objective) if own is None else _superfluous(objective))
    return Aim(
        target=wanted,
        cost=weighed,
        objective=objective,
        exponent=exponent,
        limits=_limits(at_most or ()),
        front_cost=check_cost(_name(front_cost or weighed)),
        table=table,
        plugin=own,
        plugin_digest=source_digest(own) if own else "",
    )


def _name(text: str) -> str:
    return text.strip().lower().replace("-", "_")


def _missing(objective: str) -> str:
    if objective == "v2":
        return (
            "Missing option '--target': objective v2 divides training-step times by it, as 50ms "
            "(`nas cost ARCH --latency` measures one)"
        )
    return (
        "Missing option '--target-macs' (or --cost COST --target AMOUNT, "
        "or --objective module:function)"
    )


def _superfluous(objective: str) -> str:
    return f"objective {objective} has no target; leave --target-macs and --target out"


def _limits(words: Iterable[str]) -> dict[str, float]:
    limits: dict[str, float] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise InputError(f"--at-most {word!r} cannot be read; write it as latency=5ms")
        cost = check_cost(_name(name))
        if cost in limits:
            raise InputError(f"--at-most {cost} is given twice")
        limits[cost] = parse_amount(cost, text, what=f"--at-most {cost}")
    return limits


def file_digest(path: Path) -> str:
    """Returns a digest of a file's content."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
