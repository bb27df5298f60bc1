"""What a grid came to: its ranked rows, its constants with their intervals, and why these."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from experiments.amounts import format_count
from scaling.decision import Decision, Training
from scaling.grid import Candidate, GridResult, grid_score
from search_spaces.codec import fingerprint
from search_spaces.spec import ArchSpec

if TYPE_CHECKING:
    from experiments.scale_step import GridPlan

__all__ = ["Outcome", "constants_document", "grid_row", "named", "why", "without_nan"]

LEVEL = "at the 5% level"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Holds a grid's candidates, their results (by number), and what was decided, if it could be.

    `ranked` are the numbers, the chosen one first. `share` is what was spent of training them all
    in full, 1 for a grid that was not raced.
    """

    candidates: tuple[Candidate, ...]
    results: tuple[GridResult, ...]
    ranked: tuple[int, ...]
    trainings: tuple[Training, ...]
    decision: Decision | None
    share: float

    @property
    def best(self) -> GridResult:
        """Returns the chosen candidate's result."""
        return self.results[self.ranked[0]]

    @property
    def tied_with(self) -> tuple[int, ...]:
        """Returns the numbers of those that the data cannot tell from the best, the best first."""
        if self.decision is None:
            return ()
        level = (self.decision.leader, *self.decision.tied)
        return tuple(number for number in level if number != self.decision.chosen)

    def longest(self, number: int) -> int:
        """Returns the epochs of a candidate's longest training, 0 for none."""
        return max((t.epochs for t in self.trainings if t.candidate == number), default=0)


def named(candidate: Candidate) -> str:
    """Names a candidate by its constants."""
    constants = candidate.constants
    return f"α {constants.alpha:g}, β {constants.beta:g}, γ {constants.gamma:g}"


def without_nan(row: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a row as JSON can hold it."""
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


def grid_row(outcome: Outcome, number: int, plan: GridPlan) -> dict[str, Any]:
    """Returns a candidate as a row: what it is, what was measured, and what is expected of it.

    `expected` is its score by the surface when trained in full, `error` that one's deviation.
    """
    result, decision = outcome.results[number], outcome.decision
    surface = decision.surface if decision else None
    level = () if decision is None else (decision.leader, *decision.tied)
    ratio = result.candidate.macs_ratio
    return {
        **result.candidate.as_row(),
        "accuracy": result.mean,
        "deviation": result.deviation,
        "seeds": result.n,
        "score": grid_score(result.mean, ratio, target_ratio=plan.grid.product),
        "seconds": result.seconds,
        "epochs": outcome.longest(number),
        "trainings": sum(each.candidate == number for each in outcome.trainings),
        "expected": math.nan if surface is None else float(surface.mean[number]),
        "error": math.nan if surface is None else float(surface.deviation[number]),
        "chance": math.nan if decision is None else decision.chance[number],
        "tied": number in level,
    }


def constants_document(base: ArchSpec, outcome: Outcome, plan: GridPlan) -> dict[str, Any]:
    """Describes the chosen constants: how well they did, how sure they are, and why they are it."""
    best, decision = outcome.best, outcome.decision
    row = without_nan(grid_row(outcome, outcome.ranked[0], plan))
    return {
        **best.candidate.constants.as_dict(),
        "product": best.candidate.product,
        "macs_ratio": best.candidate.macs_ratio,
        **{name: row[name] for name in ("accuracy", "deviation", "seeds", "score")},
        **{name: row[name] for name in ("expected", "error", "chance")},
        "interval": decision and {k: list(v) for k, v in decision.interval.items()},
        "noise": decision and decision.surface.noise,
        "tied_with": [_tie(outcome, number) for number in outcome.tied_with],
        "why": why(outcome),
        "candidates": len(outcome.candidates),
        "epochs": plan.epochs,
        "race": _race(outcome) if plan.race else None,
        "grid": asdict(plan.grid),
        "rounding": asdict(plan.rounding),
        "base": {"name": base.name, "fingerprint": fingerprint(base)},
    }


def _tie(outcome: Outcome, number: int) -> dict[str, Any]:
    candidate, decision = outcome.candidates[number], outcome.decision
    assert decision is not None
    return {
        **candidate.constants.as_dict(),
        "macs": candidate.macs,
        "expected": float(decision.surface.mean[number]),
        "chance": decision.chance[number],
        "finalist": number in decision.finalists,
    }


def _race(outcome: Outcome) -> dict[str, Any]:
    """Describes what a race spent, by rung."""
    rungs: dict[tuple[int, int], int] = {}
    for each in outcome.trainings:
        rungs[each.epochs, each.seed] = rungs.get((each.epochs, each.seed), 0) + 1
    return {
        "share": outcome.share,
        "trainings": len(outcome.trainings),
        "rungs": [{"epochs": e, "seed": s, "trainings": n} for (e, s), n in rungs.items()],
    }


def why(outcome: Outcome) -> str:
    """Says in a sentence why the chosen constants were chosen, and from whom they are not told."""
    decision = outcome.decision
    if decision is None:
        return "no other candidate was trained to compare it with"
    ties = outcome.tied_with
    if not ties:
        return f"it scores best, and the data tell it from every other candidate {LEVEL}"
    others = "1 other candidate" if len(ties) == 1 else f"{len(ties)} other candidates"
    told = f"the data cannot tell it from {others} {LEVEL}{_single(outcome.trainings)}"
    leader, chosen = (outcome.candidates[n] for n in (decision.leader, decision.chosen))
    if leader == chosen:
        return f"it is expected to score best, and none as good is cheaper; {told}"
    return (
        f"{told}; of those within one standard error of the best expected ({named(leader)}, "
        f"{format_count(leader.macs)} MACs) it is the cheapest, {format_count(chosen.macs)}"
    )


def _single(trainings: Sequence[Training]) -> str:
    """Says where the noise is from if no two trainings differ in nothing but the seed."""
    if len({each.seed for each in trainings}) > 1:
        return ""
    return " (one seed: what the surface does not explain counts as noise)"
