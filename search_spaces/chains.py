"""Networks that between them hold every block of a space, so that all of them can be timed.

A chain is a spec whose stages are single blocks: for each stage of the space one that enters it
and a few that follow, chosen among those that were met least.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from search_spaces.latency import piece_keys, stage_keys, tail_key
from search_spaces.layers import stem_layers
from search_spaces.space import SearchSpace
from search_spaces.spec import ArchSpec, StageSpec

__all__ = ["Chains"]

MOST_FOLLOWING = 3

Candidates = dict[str, StageSpec | None]  # by key; None: the stage is left out


@dataclass(frozen=True, slots=True)
class _Stage:
    """Lists by input width the blocks that may enter a stage, by its width those that follow.

    `made` are its widths; an `optional` one may be left out.
    """

    entering: Mapping[int, Candidates]
    following: Mapping[int, Candidates]
    made: frozenset[int]
    optional: bool

    def after(self, before: frozenset[int]) -> frozenset[int]:
        """Returns the widths that may come out where those of `before` may come in."""
        return self.made | before if self.optional else self.made


class Chains:
    """Makes the chains of a space; `visits` counts how often each piece was met, by key."""

    def __init__(self, space: SearchSpace, visits: Mapping[str, int] | None = None) -> None:
        self.space = space
        self.visits = Counter(visits or {})
        self.stages = list(self._stages())
        self.keys = frozenset(self._keys())

    def _stages(self) -> Iterator[_Stage]:
        shell = self.space.skeleton
        widths, ends = frozenset([shell.stem_ch]), frozenset[int]()
        side = shell.resolution
        for layer in stem_layers(shell):
            side = -(-side // layer.stride)
        pairs = zip(shell.stages, self.space.options, strict=True)
        for number, (base, options) in enumerate(pairs, 1):
            table = options.table()
            combinations = itertools.product(*table.values())
            chosen = (options.apply(base, dict(zip(table, c, strict=True))) for c in combinations)
            stage = self._stage(number, chosen, sorted(widths), side)
            yield stage
            # The tail follows a stage: a network with every stage left out is none.
            widths, ends = stage.after(widths), stage.after(ends)
            side = -(-side // base.stride)
        self.tails = {tail_key(self._ending(ch), side) for ch in ends}

    def _stage(
        self, number: int, chosen: Iterable[StageSpec | None], widths: list[int], side: int
    ) -> _Stage:
        options = dict.fromkeys(chosen)
        present = [stage for stage in options if stage is not None]
        singles = dict.fromkeys(replace(stage, repeats=1) for stage in present)
        entering: dict[int, Candidates] = {}
        for ch in widths:
            entering[ch] = {self._key(stage, ch, side): stage for stage in singles}
            if None in options:
                entering[ch][f"no stage {number} after {ch} channels"] = None
        following: dict[int, Candidates] = {}
        for stage in present:
            if stage.repeats > 1:
                after, block = -(-side // stage.stride), replace(stage, stride=1, repeats=1)
                key = self._key(block, stage.out_ch, after)
                following.setdefault(stage.out_ch, {})[key] = block
        made = frozenset(stage.out_ch for stage in present)
        return _Stage(entering, following, made, None in options)

    def _key(self, stage: StageSpec, in_ch: int, side: int) -> str:
        shell = self.space.skeleton
        shared = (shell.act, shell.se, shell.padding, shell.expand_divisor)
        return stage_keys(stage, in_ch, side, *shared)[0]

    def _ending(self, ch: int) -> ArchSpec:
        shell = self.space.skeleton
        return replace(shell, stages=(*shell.stages[:-1], replace(shell.stages[-1], out_ch=ch)))

    def _keys(self) -> Iterator[str]:
        yield piece_keys(self.space.skeleton)[0]
        for stage in self.stages:
            for candidates in (*stage.entering.values(), *stage.following.values()):
                yield from (key for key, block in candidates.items() if block is not None)
        yield from self.tails

    @property
    def length(self) -> int:
        """Counts the chains that meet every piece once, at best."""
        return max(sum(map(len, stage.entering.values())) for stage in self.stages)

    def fewest(self) -> int:
        """Counts how often the piece that was met least has been met."""
        return min(self.visits[key] for key in self.keys)

    def unmet(self) -> int:
        """Counts the pieces that were never met."""
        return sum(not self.visits[key] for key in self.keys)

    def make(self) -> ArchSpec:
        """Returns the next chain, and counts its pieces as met."""
        stages: tuple[StageSpec, ...] = ()
        while not stages:  # all of them may be left out once
            stages = tuple(self._walk())
        spec = replace(self.space.skeleton, stages=stages)
        self.visits.update(set(piece_keys(spec)))
        return spec

    def _walk(self) -> Iterator[StageSpec]:
        ch = self.space.skeleton.stem_ch
        for options in self.stages:
            (entering,) = self._least(options.entering[ch], 1)
            if entering is None:
                continue
            yield entering
            ch = entering.out_ch
            following = self._least(options.following.get(ch, {}), MOST_FOLLOWING)
            yield from (block for block in following if block is not None)

    def _least(self, candidates: Candidates, count: int) -> list[StageSpec | None]:
        chosen = sorted(candidates, key=self.visits.__getitem__)[:count]
        self.visits.update(key for key in chosen if candidates[key] is None)
        return [candidates[key] for key in chosen]
