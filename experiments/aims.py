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
from nas.front import base_reward
from nas.objective import FRONT, Objective, Plugin, is_plugin
from nas.pareto import Span
from search_spaces.errors import InputError

__all__ = ["Aim", "amount_text", "file_digest", "parse_amount", "read_aim"]


@dataclass(frozen=True, slots=True)
class Aim:
    """Says what accuracy is weighed against, and what no network may cost.

    `target` is an amount of `cost`, as `limits` are of theirs: MACs, parameters, bytes, seconds.
    `front_cost` is what the Pareto front is drawn over, `table` a file that tells times. `plugin`
    is the user's own reward, and `plugin_digest` that of its source. `front_range` are the least
    and the most of `cost` on a front that is searched for.
    """

    target: float | None = None
    cost: str = "macs"
    objective: str = "soft"
    exponent: float | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    front_cost: str = "macs"
    front_range: tuple[float, float] | None = None
    table: Path | None = None
    plugin: Plugin | None = None
    plugin_digest: str = ""

    def reward(self) -> Objective:
        """Returns the reward, of a front that of its base; raises `InputError` for nonsense."""
        if self.objective == FRONT:
            return base_reward(self.target, self.exponent, self.cost)
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
    front_range: str | None = None,
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
    if objective != FRONT and (wanted is None) != (own is not None):
        raise InputError(_missing(objective) if own is None else _superfluous(objective))
    _check_front(objective, weighed, front_cost, front_range)
    limits, between = _limits(at_most or ()), _front_range(weighed, front_range)
    if between is not None:
        if weighed in limits:
            raise InputError(
                f"--front-range limits {weighed} already; leave --at-most {weighed} out"
            )
        limits[weighed] = between[1]
    return Aim(
        target=wanted,
        cost=weighed,
        objective=objective,
        exponent=exponent,
        limits=limits,
        front_cost=check_cost(_name(front_cost or weighed)),
        front_range=between,
        table=table,
        plugin=own,
        plugin_digest=source_digest(own) if own else "",
    )


def _check_front(
    objective: str, cost: str, front_cost: str | None, front_range: str | None
) -> None:
    if objective != FRONT and front_range is not None:
        raise InputError("--front-range is for --objective front; leave it out")
    if objective == FRONT and front_cost is not None and _name(front_cost) != cost:
        raise InputError(
            f"objective front is that of --cost {cost}; leave --front-cost {front_cost} out"
        )


def _front_range(cost: str, text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    low, colon, high = text.partition(":")
    if not colon:
        raise InputError(f"--front-range {text!r} cannot be read; write it as LOW:HIGH, as 1M:20M")
    what = "--front-range"
    span = Span(parse_amount(cost, low, what=what), parse_amount(cost, high, what=what))
    return (span.low, span.high)


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
        "or --objective front or module:function)"
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
