"""A search space: a skeleton, the options of each of its stages, and how choices become a spec."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from search_spaces.distinct import Networks
from search_spaces.errors import InputError
from search_spaces.places import Places, places_of
from search_spaces.spec import ArchSpec, StageSpec
from search_spaces.stage_options import OpOptions, StageOptions, Value, combinations
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

    @cached_property
    def places(self) -> tuple[Places, ...]:
        """Tells by stage which columns of an encoded architecture hold its choices."""
        return places_of(self.options)

    @cached_property
    def combinations(self) -> tuple[tuple[StageSpec | None, ...], ...]:
        """Lists by stage what every combination of its choices makes of it."""
        return tuple(map(combinations, self.options, self.skeleton.stages))

    @cached_property
    def _distinct(self) -> Networks:
        return Networks(self)

    @property
    def networks(self) -> int:
        """Counts the distinct networks, as fingerprints tell them apart."""
        return self._distinct.count

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

    def encode_many(self, many: Sequence[Values]) -> np.ndarray:
        """Encodes N full sets of choices, int64 (N, choices)."""
        known = [
            (choice.name, {option: index for index, option in enumerate(choice.options)})
            for choice in self.choices
        ]
        try:
            rows = [[options[values[name]] for name, options in known] for values in many]
        except KeyError:
            rows = []
        if [len(values) for values in many] != [len(known)] * len(rows):
            for values in many:  # one of them is refused here, with what is wrong
                self._check(values)
        return np.array(rows, dtype=np.int64).reshape(len(rows), len(known))

    def values_many(self, encoded: np.ndarray) -> list[dict[str, Value]]:
        """Returns the choices of encoded architectures (N, choices)."""
        named = [(choice.name, choice.options) for choice in self.choices]
        return [
            {name: options[index] for (name, options), index in zip(named, row, strict=True)}
            for row in self._checked(encoded).tolist()
        ]

    def decode_many(self, encoded: np.ndarray) -> list[ArchSpec]:
        """Builds the specs of encoded architectures (N, choices)."""
        encoded = self._checked(encoded)
        columns = [
            [stages[index] for index in places.combination(encoded).tolist()]
            for stages, places in zip(self.combinations, self.places, strict=True)
        ]
        named = replace(self.skeleton, name=self.name)
        return [
            replace(named, stages=tuple(stage for stage in row if stage is not None))
            for row in zip(*columns, strict=True)
        ]

    def _checked(self, encoded: np.ndarray) -> np.ndarray:
        """Returns an array that encodes architectures; raises `InputError` for any other."""
        sizes = np.array([len(choice.options) for choice in self.choices])
        shape = np.shape(encoded)
        if len(shape) != 2 or shape[1] != len(sizes):
            raise InputError(f"space {self.name}: an encoding is (N, {len(sizes)}), not {shape}")
        wrong = np.argwhere((encoded < 0) | (encoded >= sizes))
        if len(wrong):
            row, column = wrong[0]
            raise InputError(
                f"space {self.name}: row {row} has option {encoded[row, column]} of "
                f"{self.choices[column].name}; it must be from 0 to {sizes[column] - 1}"
            )
        return encoded

    def neighbours_encoded(self, row: np.ndarray) -> np.ndarray:
        """Returns every encoding that differs from `row` (choices,) in one choice: (M, choices)."""
        changes = [
            (column, option)
            for column, choice in enumerate(self.choices)
            for option in range(len(choice.options))
            if option != row[column]
        ]
        found = np.tile(row, (len(changes), 1))
        columns, options = np.array(changes, dtype=np.int64).reshape(-1, 2).T
        found[np.arange(len(changes)), columns] = options
        return found

    def canonical(self, encoded: np.ndarray) -> np.ndarray:
        """Returns rows (N, choices) that are equal where, and only where, the networks are."""
        return self._distinct.canonical(self._checked(encoded))

    def network_keys(self, encoded: np.ndarray) -> np.ndarray:
        """Returns numbers (N,), of 64 bits, that are equal where the networks of rows are."""
        return self._distinct.keys(self._checked(encoded))

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
