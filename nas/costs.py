"""What a network may cost: names, units, limits; counted, for thousands at once, or measured."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from search_spaces.additive import Additive, params_sums, train_memory_sums
from search_spaces.cost import cost
from search_spaces.errors import InputError
from search_spaces.space import SearchSpace, Value
from search_spaces.spec import ArchSpec

__all__ = ["COUNTED", "MEASURED", "UNITS", "Costing", "Meter", "amount", "check_cost"]

Array = np.ndarray
Meter = Callable[[ArchSpec], float]

UNITS: Mapping[str, str] = {
    "macs": "MACs",
    "params": "parameters",
    "train_memory": "bytes",
    "latency": "seconds",
    "step_time": "seconds",
}
COUNTED = ("macs", "params", "train_memory")
MEASURED = ("latency", "step_time")
FEWEST_DRAWS, DRAWS, MOST_DRAWS = 16, 8192, 2**20


def check_cost(name: str) -> str:
    """Returns the name of a cost; raises `InputError`, with the nearest, for any other."""
    if name not in UNITS:
        near = difflib.get_close_matches(name, UNITS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"no cost is called {name!r}; {hint}the costs are {', '.join(UNITS)}")
    return name


def amount(name: str, value: float) -> str:
    """Writes an amount of a cost with its name: `latency 5 ms`, `params 3M`."""
    return f"{name.replace('_', ' ')} {_size(name, value)}"


def _size(name: str, value: float) -> str:
    if UNITS[name] == "seconds":
        return f"{value * 1e3:.4g} ms"
    if UNITS[name] == "bytes":
        return f"{value / 2**20:.4g} MiB"
    return f"{value / 1e6:.4g}M" if value >= 1e5 else f"{value:,.0f}"


@dataclass(frozen=True)
class Costing:
    """Tells what networks of a space cost, and which ones cost too much to be trained.

    `batch` is the number of images whose training memory counts. `meters` return costs that no
    formula gives, in seconds; each is asked once a network. `tables` count some of these exactly
    after all. `limits` are the most that a network may cost, by name.
    Raises `InputError` for a limit that nothing tells the cost of.
    """

    space: SearchSpace
    batch: int = 1
    meters: Mapping[str, Meter] = field(default_factory=dict)
    tables: Mapping[str, Additive] = field(default_factory=dict)
    limits: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.limits:
            if check_cost(name) not in (*COUNTED, *self.meters):
                raise InputError(f"{name} is limited, and nothing measures it")

    def of(self, spec: ArchSpec) -> tuple[dict[str, float], str | None]:
        """Returns a network's costs by name, and the limit that it is over (None: none).

        Nothing is measured of a network that is over a limit already.
        """
        counted = cost(spec, batch=self.batch)
        costs: dict[str, float] = {
            "macs": counted.macs,
            "params": counted.params,
            "train_memory": counted.train_memory_bytes,
        }
        reason = self._over(costs)
        for name, meter in self.meters.items():
            if reason is None:
                costs[name] = meter(spec)
                reason = self._over({name: costs[name]})
        return costs, reason

    def _over(self, costs: Mapping[str, float]) -> str | None:
        for name, most in self.limits.items():
            if name in costs and not costs[name] <= most:
                return f"{amount(name, costs[name])} is over the limit of {amount(name, most)}"
        return None

    @property
    def exact(self) -> tuple[str, ...]:
        """Names the costs that `encoded` gives: those that are counted, or added up of a table."""
        return (*COUNTED, *self.tables)

    @cached_property
    def _params(self) -> Additive:
        return params_sums(self.space)

    @cached_property
    def _train_memory(self) -> Additive:
        return train_memory_sums(self.space, batch=self.batch)

    def encoded(self, rows: Array, *names: str) -> Array:
        """Returns costs (N, names), float64, of encoded networks (N, choices); all are `exact`."""
        macs, params = self.space.tables.count(rows)
        found = {"macs": macs, "params": params}
        if "train_memory" in names:
            found["train_memory"] = self._train_memory.count(rows)
        found |= {name: table.count(rows) for name, table in self.tables.items() if name in names}
        return np.stack([found[name] for name in names], axis=1).astype(np.float64)

    def allowed(self, rows: Array) -> Array:
        """Tells (N,) which encoded networks (N, choices) are over no limit that is `exact`."""
        names = [name for name in self.limits if name in self.exact]
        if not names:
            return np.ones(len(rows), dtype=bool)
        most = np.array([self.limits[name] for name in names])
        return np.asarray((self.encoded(rows, *names) <= most).all(axis=1))

    def draw(self, rng: np.random.Generator) -> dict[str, Value]:
        """Draws uniformly among the networks that are allowed.

        Raises `InputError` where a million draws found none.
        """
        found = self.draw_any(rng)
        if found is not None:
            return found
        asked = " and ".join(amount(name, most) for name, most in self.limits.items())
        raise InputError(f"none of {MOST_DRAWS:,} random networks is within {asked}")

    def draw_any(
        self, rng: np.random.Generator, *, also: Callable[[Array], Array] | None = None
    ) -> dict[str, Value] | None:
        """Draws uniformly among the networks that are allowed, and that `also` (N,) lets through.

        None where a million draws found none.
        """
        drawn, many = 0, FEWEST_DRAWS
        while drawn < MOST_DRAWS:
            rows = self.space.sample_encoded(rng, many)
            right = self.allowed(rows)
            found = np.flatnonzero(right if also is None else right & also(rows))
            if len(found):
                return self.space.values(rows[found[0]])
            drawn, many = drawn + many, min(2 * many, DRAWS)
        return None

    def reach(self, name: str) -> tuple[float, float] | None:
        """Returns the least and the most of a cost in the space, exactly; None if not `exact`."""
        if name == "macs":
            return self.space.macs_range
        if name in self.tables:
            return self.tables[name].reach()
        if name not in COUNTED:
            return None
        return (self._params if name == "params" else self._train_memory).reach()

    def check(self, weighed: str, target: float | None) -> None:
        """Raises `InputError` for a target or a limit that no network of the space can keep."""
        if target is not None:
            self._check_reach(weighed, target, upwards=True)
        for name, most in self.limits.items():
            self._check_reach(name, most, upwards=False)
        if self.limits:
            self.draw(np.random.default_rng(0))

    def _check_reach(self, name: str, value: float, *, upwards: bool) -> None:
        low, high = self.reach(name) or (0.0, np.inf)
        if low <= value and (value <= high or not upwards):
            return
        least = "" if value > high else " or less"
        side = self.space.skeleton.resolution
        raise InputError(
            f"no network of space {self.space.name!r} at {side}×{side} has "
            f"{amount(name, value)}{least}; it reaches {_size(name, low)} to {_size(name, high)}"
        )
