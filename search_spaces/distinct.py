"""Which choices of a space build the same network, and how many networks there are.

Skeleton aside, a network is the sequence of its blocks: a word over an alphabet of blocks, of
which every stage contributes a part that depends on its choices and its input width.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from search_spaces.layers import BlockLayers, block_layers

if TYPE_CHECKING:
    from search_spaces.space import SearchSpace
    from search_spaces.spec import StageSpec

__all__ = ["Networks"]

END = -1
Word = tuple[int, ...]
Stages = Sequence["StageSpec | None"]
# What is still to be read of a stage's part, and the stage and input width that come after it.
State = tuple[int, int, Word]
States = frozenset[State]
NOTHING: States = frozenset()


@dataclass(frozen=True, slots=True)
class _Part:
    """Holds what a stage may contribute at one input width.

    `words` maps each distinct word to the width after it (by index) and the first combination of
    choices that makes it; `first` (combinations,) that first one for every combination.
    """

    words: dict[Word, tuple[int, int]]
    first: np.ndarray
    by_start: dict[int, list[Word]]  # and, by END, the empty word

    def beginning(self, block: int) -> list[Word]:
        """Lists the words that begin with a block, and the empty one, by first combination."""
        found = self.by_start.get(block, [])
        if () in self.words and block >= 0:
            return sorted([*found, ()], key=lambda word: self.words[word][1])
        return found


def _part(made: Mapping[StageSpec | None, Word], stages: Stages, after: np.ndarray) -> _Part:
    words: dict[Word, tuple[int, int]] = {}
    first = np.empty(len(stages), dtype=np.int64)
    for combination, stage in enumerate(stages):
        known = words.setdefault(made[stage], (int(after[combination]), combination))
        first[combination] = known[1]
    by_start: dict[int, list[Word]] = {}
    for word in words:
        by_start.setdefault(word[0] if word else END, []).append(word)
    return _Part(words, first, by_start)


class Networks:
    """Tells the networks of a space apart exactly as their fingerprints do."""

    def __init__(self, space: SearchSpace) -> None:
        self.space = space
        self._names: dict[tuple[bool, BlockLayers], int] = {}
        self._parts = [
            [
                _part({s: self._word(s, in_ch) for s in dict.fromkeys(stages)}, stages, after)
                for in_ch, after in zip(table.widths, table.after, strict=True)
            ]
            for stages, table in zip(space.combinations, space.tables.stages, strict=True)
        ]
        self._counts: dict[States, int] = {NOTHING: 0}
        self._steps: dict[States, dict[int, States]] = {}

    def _word(self, stage: StageSpec | None, in_ch: int) -> Word:
        if stage is None:
            return ()
        blocks = self.space.skeleton.blocks_of(stage, in_ch)
        names = (
            self._names.setdefault((block.has_residual, block_layers(block)), len(self._names))
            for block in (blocks[0], blocks[-1])
        )
        start, later = names
        return (start, *(later,) * (len(blocks) - 1))

    @cached_property
    def count(self) -> int:
        """Counts the distinct networks: the words that some choices spell.

        A word may be spelt in several ways, even with its blocks in other stages, so the words of
        a deterministic automaton are counted: its states are the sets of places that one may have
        come to after the same blocks.
        """
        return self._count(self._closed([(0, 0, ())]))

    def _closed(self, states: Iterable[State]) -> States:
        """Adds the stages that are come to by a stage that contributes nothing."""
        found, new = set[State](), list(states)
        while new:
            state = new.pop()
            found.add(state)
            stage, width, rest = state
            if not rest and stage < len(self._parts) and () in self._parts[stage][width].words:
                new.append((stage + 1, self._parts[stage][width].words[()][0], ()))
        return frozenset(found)

    def _count(self, states: States) -> int:
        """Counts the words that lead from any of `states` to the end of the network.

        Where a stage may begin, hundreds of blocks may follow: those are counted once, and then
        corrected for the blocks that a stage under way may go on with.
        """
        if states not in self._counts:
            begun = frozenset(state for state in states if state[2])
            ended = states - begun
            fresh = self._next(ended)
            total = self._count(ended) if begun else self._ends(ended)
            for block, reached in (self._next(begun) if begun else fresh).items():
                known = fresh.get(block, NOTHING) if begun else NOTHING
                total += self._count(reached | known) - self._count(known)
            self._counts[states] = total
        return self._counts[states]

    def _ends(self, states: States) -> int:
        return int(any(stage == len(self._parts) for stage, _, _ in states))

    def _next(self, states: States) -> dict[int, States]:
        """Returns what each block leads to from any of `states`."""
        if states not in self._steps:
            reached: dict[int, set[State]] = {}
            for stage, width, rest in states:
                if rest:
                    reached.setdefault(rest[0], set()).add((stage, width, rest[1:]))
                elif stage < len(self._parts):
                    for word, (after, _) in self._parts[stage][width].words.items():
                        if word:
                            target = (stage + 1, after, word[1:])
                            reached.setdefault(word[0], set()).add(target)
            self._steps[states] = {block: self._closed(set_) for block, set_ in reached.items()}
        return self._steps[states]

    @cached_property
    def _shared(self) -> frozenset[int]:
        """Lists the blocks that a stage may go on with, and a later stage begin with.

        Only a network that has such a block can have it in more than one stage.
        """
        shared, later = set[int](), set[int]()
        for parts in self._parts:
            words = [word for part in parts for word in part.words]
            begins = {word[0] for word in words if word}
            shared |= begins & later
            later |= {block for word in words for block in word[1:]}
            later |= begins if () in words else set()
        return frozenset(shared)

    def canonical(self, encoded: np.ndarray) -> np.ndarray:
        """Returns, for rows (N, choices), the first rows in order that build the same networks."""
        places, tables = self.space.places, self.space.tables.stages
        width, columns = np.zeros(len(encoded), dtype=np.int64), []
        for place, table, parts in zip(places, tables, self._parts, strict=True):
            first = np.stack([part.first for part in parts])
            columns.append(first[width, place.combination(encoded)])
            width = table.after[width, columns[-1]]
        chosen = np.stack(columns, axis=1)
        if self._shared:
            distinct, back = np.unique(chosen, axis=0, return_inverse=True)
            spelt = [self._spelling(self._spell(row), row) for row in distinct.tolist()]
            chosen = np.array(spelt, dtype=np.int64).reshape(distinct.shape)[back.reshape(-1)]
        return np.concatenate([p.choices(c) for p, c in zip(places, chosen.T, strict=True)], axis=1)

    def keys(self, encoded: np.ndarray) -> np.ndarray:
        """Returns numbers (N,), of 64 bits, that are equal where the networks of rows are.

        Two networks have the same number by a chance of about 1 in 2^64: it is that of the word,
        its blocks being the random digits of a random base.
        """
        found, scale = np.zeros(len(encoded), np.uint64), np.ones(len(encoded), np.uint64)
        width = np.zeros(len(encoded), dtype=np.int64)
        for place, table, (numbers, scales) in zip(
            self.space.places, self.space.tables.stages, self._numbers, strict=True
        ):
            combination = place.combination(encoded)
            found += scale * numbers[width, combination]
            scale *= scales[width, combination]
            width = table.after[width, combination]
        return found

    @cached_property
    def _numbers(self) -> list[tuple[np.ndarray, ...]]:
        """Gives by stage the numbers (widths, combinations) of parts, and what shifts by them."""
        draw = np.random.default_rng(0)
        digits = draw.integers(2**64, size=len(self._names), dtype=np.uint64)
        base = draw.integers(2**64, dtype=np.uint64) | np.uint64(1)

        def numbers(part: _Part) -> tuple[np.ndarray, np.ndarray]:
            found = np.zeros((2, len(part.first)), dtype=np.uint64)
            for word, (_, first) in part.words.items():
                shifts = base ** np.arange(len(word) + 1, dtype=np.uint64)
                total = (shifts[:-1] * digits[list(word)]).sum(dtype=np.uint64)
                found[:, first] = total, shifts[-1]
            return found[0, part.first], found[1, part.first]

        made = [[numbers(part) for part in parts] for parts in self._parts]
        return [tuple(map(np.stack, zip(*each, strict=True))) for each in made]

    def _spell(self, chosen: Sequence[int]) -> Word:
        """Returns the word that a combination for each stage builds."""
        word, width = list[int](), 0
        for combination, parts in zip(chosen, self._spellings, strict=True):
            part, width = parts[width][combination]
            word += part
        return tuple(word)

    @cached_property
    def _spellings(self) -> list[list[dict[int, tuple[Word, int]]]]:
        """Gives by stage, input width and first combination the word and the width after it."""
        return [
            [
                {first: (word, after) for word, (after, first) in part.words.items()}
                for part in parts
            ]
            for parts in self._parts
        ]

    def _spelling(self, word: Word, spelt: Sequence[int]) -> Sequence[int]:
        """Returns the first combinations in order, one a stage, that spell a word as `spelt` do."""
        if self._shared.isdisjoint(word):
            return spelt
        hopeless = set[tuple[int, int, int]]()

        def spell(stage: int, width: int, place: int) -> Word | None:
            if stage == len(self._parts):
                return () if place == len(word) else None
            if (stage, width, place) in hopeless:
                return None
            here = self._parts[stage][width]
            for part in here.beginning(word[place] if place < len(word) else END):
                if word[place : place + len(part)] == part:
                    after, first = here.words[part]
                    rest = spell(stage + 1, after, place + len(part))
                    if rest is not None:
                        return (first, *rest)
            hopeless.add((stage, width, place))
            return None

        found = spell(0, 0, 0)
        assert found is not None, "the word was spelt by choices"
        return found
