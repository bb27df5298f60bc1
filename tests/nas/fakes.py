"""Evaluators that cost nothing, and spaces small enough to use up."""

from __future__ import annotations

from collections import Counter

import optuna
from optuna.study import Study

from nas.evaluation import Evaluation
from nas.objective import Objective
from nas.samplers import sampler_factory
from nas.search import Budget, TrialRecord, search
from search_spaces.codec import fingerprint
from search_spaces.cost import cost
from search_spaces.space import SearchSpace, StageOptions
from search_spaces.spaces import make_space
from search_spaces.spec import ArchSpec, StageSpec

__all__ = [
    "OBJECTIVE",
    "Fake",
    "evaluated",
    "new_study",
    "run_search",
    "story",
    "tiny_space",
    "wide_space",
]

OBJECTIVE = Objective("soft", 2e6)


class Fake:
    """Scores a network by its own fingerprint, counts its calls, fails or stops where told to."""

    def __init__(
        self,
        *,
        stop_at: int | None = None,
        fail: frozenset[int] = frozenset(),
        seconds: float = 0.0,
    ) -> None:
        self.stop_at, self.fail, self.seconds = stop_at, fail, seconds
        self.calls = 0
        self.seen: Counter[str] = Counter()
        self.finished: Counter[str] = Counter()
        self.seeds: list[int] = []

    def __call__(self, spec: ArchSpec, *, seed: int) -> Evaluation:
        name, call = fingerprint(spec), self.calls
        self.calls += 1
        self.seen[name] += 1
        self.seeds.append(seed)
        if call == self.stop_at:
            raise KeyboardInterrupt
        if call in self.fail:
            raise RuntimeError(f"call {call} went wrong")
        self.finished[name] += 1
        counted = cost(spec)
        accuracy = 0.5 + int(name[:6], 16) / 0x1000000 / 2
        return Evaluation(accuracy, counted.macs, counted.params, self.seconds, seed)


def tiny_space() -> SearchSpace:
    """Gives 4 combinations of choices and 3 networks: a fused stage has no squeeze-excite."""
    stage = StageSpec(kind="mbconv", kernel=3, stride=2, expand=4, out_ch=8, repeats=1)
    options = StageOptions(
        kinds=("mbconv", "fused"), kernels=(3,), expands=(4,), layers=(0,), widths=(1,)
    )
    skeleton = ArchSpec("tiny", resolution=8, stages=(stage,), stem_ch=8, head_ch=16, num_classes=2)
    return SearchSpace("tiny", skeleton, (options,))


def wide_space() -> SearchSpace:
    return make_space("mixed", image_size=8, num_classes=10)


def new_study() -> Study:
    return optuna.create_study(direction="maximize")


def run_search(
    study: Study,
    evaluate: Fake,
    *,
    space: SearchSpace | None = None,
    sampler: str = "random",
    trials: int = 10,
    seconds: float | None = None,
    training: float | None = None,
    seed: int = 0,
) -> list[TrialRecord]:
    return search(
        study,
        space or wide_space(),
        evaluate,
        OBJECTIVE,
        sampler=sampler_factory(sampler),
        budget=Budget(trials, seconds, training),
        seed=seed,
    )


def evaluated(records: list[TrialRecord]) -> list[TrialRecord]:
    return [r for r in records if r.evaluation is not None and r.duplicate_of is None]


def story(records: list[TrialRecord]) -> list[tuple[dict[str, object], float | None, bool]]:
    """Tells what was chosen and what came of it, leaving out what a kill cut short."""
    return [
        (r.choices, r.reward, r.duplicate_of is not None)
        for r in records
        if r.error != "interrupted"
    ]
