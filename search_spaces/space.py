"""A search space: a skeleton, the options of each of its stages, and how choices become a spec."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from search_spaces.errors import InputError
from search_spaces.spec import ArchSpec
from search_spaces.stage_options import OpOptions, StageOptions, Value
from search_spaces.tables import CostTables
from search_spaces.window import MacsWindow

__all__ = ["Choice", "OpOptions", "SearchSpace", "StageOptions", "Value", "Values"]

Values = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Choice:
    """Names one thing to choose and its options."""

    name: str
    options: tuple[Value, ...]


@dataclass(frozen=True)
class SearchSpace:
    """Holds a skeleton (an `ArchSpec` whose stages give width, stride and repeats) and options.

    Choices are named `stage1.kernel`; a choice with one option is not offered.
    """

    name: str
    skeleton: ArchSpec
    options: tuple[StageOptions | OpOptions, ...]

    def __post_init__(self) -> None:
        stages, options = len(self.skeleton.stages), len(self.options)
        if stages != options:
            raise InputError(f"space {self.name}: {stages} stages but options for {options}")

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """Lists what is to be chosen, in the order of the network."""
        return tuple(
            Choice(f"stage{number}.{name}", options)
            for number, stage in enumerate(self.options, 1)
            for name, options in stage.table().items()
            if len(options) > 1
        )

    @property
    def size(self) -> int:
        """Counts the combinations of choices; some of them build the same network."""
        return math.prod(len(choice.options) for choice in self.choices)

    def decode(self, values: Values) -> ArchSpec:
        """Builds the spec of a full set of choices; raises `InputError` for any other."""
        self._check(values)
        stages = []
        for number, (base, options) in enumerate(
            zip(self.skeleton.stages, self.options, strict=True), 1
        ):
            chosen = {
                name: values.get(f"stage{number}.{name}", only[0])
                for name, only in options.table().items()
            }
            stages.append(options.apply(base, chosen))
        present = tuple(stage for stage in stages if stage is not None)
        return replace(self.skeleton, name=self.name, stages=present)

    def _check(self, values: Values) -> None:
        names = [choice.name for choice in self.choices]
        for name in values:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise InputError(f"space {self.name} has no choice {name!r}{hint}")
        for choice in self.choices:
            if choice.name not in values:
                raise InputError(f"space {self.name}: {choice.name} is not chosen")
            if values[choice.name] not in choice.options:
                raise InputError(
                    f"space {self.name}: {choice.name} is {values[choice.name]!r}; "
                    f"it must be one of {', '.join(map(str, choice.options))}"
                )

    def encode(self, values: Values) -> np.ndarray:
        """Returns the index of each choice's option, int64 (choices,)."""
        self._check(values)
        return np.array([c.options.index(values[c.name]) for c in self.choices], dtype=np.int64)

    def values(self, indices: np.ndarray) -> dict[str, Value]:
        """Returns the choices that `encode` gave `indices` (choices,) for."""
        return {
            choice.name: choice.options[int(index)]
            for choice, index in zip(self.choices, indices, strict=True)
        }

    def sample(self, rng: np.random.Generator) -> dict[str, Value]:
        """Draws each choice uniformly."""
        return self.values(np.array([rng.integers(len(c.options)) for c in self.choices]))

    def neighbours(self, values: Values) -> Iterator[dict[str, Value]]:
        """Yields every set of choices that differs in one."""
        for choice in self.choices:
            for option in choice.options:
                if option != values[choice.name]:
                    yield {**values, choice.name: option}

    @cached_property
    def tables(self) -> CostTables:
        """Returns what counts this space's encoded architectures, thousands at once."""
        return CostTables(self)

    @property
    def macs_range(self) -> tuple[int, int]:
        """Returns the fewest and the most MACs of any network in the space, exactly."""
        return self.tables.macs_range()

    def sample_encoded(self, rng: np.random.Generator, count: int) -> np.ndarray:
        """Draws `count` sets of choices uniformly, encoded as int64 (count, choices)."""
        sizes = [len(choice.options) for choice in self.choices]
        return rng.integers(sizes, size=(count, len(sizes)))

    def window(self, low: float, high: float) -> MacsWindow:
        """Returns a sampler of the networks of `low` to `high` MACs; raises if there are none."""
        return MacsWindow(self.tables, low, high)

    def check_target(self, target_macs: float) -> None:
        """Raises `InputError`, with the range it can, for MACs no network of the space reaches."""
        low, high = self.macs_range
        if not low <= target_macs <= high:
            side = self.skeleton.resolution
            raise InputError(
                f"no network of space {self.name!r} at {side}×{side} has "
                f"{target_macs / 1e6:.4g}M MACs; "
                f"it reaches {low / 1e6:.4g}M to {high / 1e6:.4g}M "
                "(another --resolution or --width moves that)"
            )
