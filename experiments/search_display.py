"""How a search goes, told to a reporter: each trial, the best so far, the size of the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.aims import amount_text
from experiments.amounts import format_count
from experiments.config import SearchConfig
from experiments.progress import Reporter
from nas.costs import MEASURED
from nas.front import Front
from nas.objective import Goal
from nas.pareto import pareto_front
from nas.trials import TrialRecord

__all__ = ["SearchDisplay", "result_text"]

MOST_NAMES = 8  # of trainings that run at once


def result_text(costs: Mapping[str, float], reward: float, goal: Goal) -> str:
    """Writes a reward with MACs, and with the other costs that it weighs or that were measured."""
    weighed = [n for n in (*goal.weighs, *MEASURED) if n != "macs" and n in costs]
    more = [f", {n.replace('_', ' ')} {amount_text(n, costs[n])}" for n in dict.fromkeys(weighed)]
    return f"reward {reward:.4f} at {format_count(costs['macs'])} MACs{''.join(more)}"


class SearchDisplay:
    """Tells a reporter about trials as they finish; each was planned as `unit` of work."""

    def __init__(
        self,
        reporter: Reporter,
        asked: SearchConfig,
        goal: Goal,
        *,
        unit: float,
        label: str = "trial",
    ) -> None:
        self.reporter, self.asked, self.goal = reporter, asked, goal
        self.unit, self.label = unit, label
        self.best: TrialRecord | None = None
        self.front: list[TrialRecord] = []
        self.shown = 0

    @property
    def next_name(self) -> str:
        """Names the network that is trained next."""
        return f"{self.label} {self.shown + 1} of {self.asked.trials}"

    def running(self, names: Sequence[str]) -> None:
        """Says which trainings run, where several do at once."""
        more = [f"{len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
        listed = ", ".join([*names[:MOST_NAMES], *more])
        self.reporter.running(f"{len(names)} at once: {listed}")

    def _take(self, record: TrialRecord) -> bool:
        """Counts a trial that trained a network, and keeps the best of those trained whole."""
        if record.duplicate_of is not None:
            return False
        self.shown += bool(record.evaluation or record.pruned)
        if record.evaluation is None:
            return False
        if self.best is None or (record.reward or 0) > (self.best.reward or 0):
            self.best = record
        over = self.asked.front_cost
        if over in record.costs:
            self.front = pareto_front(
                [*self.front, record], gain=_accuracy, cost=lambda trial: trial.costs[over]
            )
        self.reporter.best(self._standing(self.best))
        return True

    def _standing(self, best: TrialRecord) -> str:
        """Says what the best is, and how many networks no other beats."""
        networks = "network" if len(self.front) == 1 else "networks"
        front = f"; {len(self.front)} {networks} on the front" if self.front else ""
        return f"{self._text(best)} ({self.label} {best.number}){front}{self._volume()}"

    def _volume(self) -> str:
        """Says the front's hypervolume where it is what is searched for."""
        if not isinstance(self.goal, Front):
            return ""
        over = self.goal.cost
        volume = self.goal.hypervolume(self.front, lambda t: (_accuracy(t), t.costs[over]))
        return f", hypervolume {volume:.4f}"

    def _text(self, record: TrialRecord) -> str:
        return result_text(record.costs, record.reward or 0, self.goal)

    def resume(self, record: TrialRecord) -> None:
        """Takes in a trial that finished in an earlier process."""
        before = self.shown
        self._take(record)
        self.reporter.skip(self.unit * (self.shown - before))

    def trial(self, record: TrialRecord) -> None:
        """Reports a trial that has just finished."""
        name, reporter = f"{self.label} {record.number}", self.reporter
        if record.duplicate_of is not None:
            reporter.done(0, f"{name}: same network as {self.label} {record.duplicate_of}")
        elif record.refused:
            reporter.done(0, f"{name} not trained: {record.refused}")
        elif record.pruned:
            self._take(record)
            text = f"{self.label} {self.shown}/{self.asked.trials} left: {record.pruned}"
            reporter.done(self.unit, text)
        elif record.evaluation is None:
            reporter.note(f"{name} failed: {record.error}")
        elif self._take(record):
            reporter.done(
                self.unit,
                f"{self.label} {self.shown}/{self.asked.trials}: "
                f"accuracy {record.evaluation.accuracy:.1%}, {self._text(record)}",
            )

    def ended(self) -> None:
        """Takes out of the plan what the search ended without."""
        self.reporter.skip(self.unit * max(0, self.asked.trials - self.shown))


def _accuracy(trial: TrialRecord) -> float:
    return trial.evaluation.accuracy if trial.evaluation else 0.0
