"""What a search has come to: known networks, what is spent, what came to nothing in a row."""

from __future__ import annotations

from dataclasses import dataclass

from nas.ceiling import CANNOT_WIN
from nas.trials import INTERRUPTED, TrialRecord
from search_spaces.errors import RunError

__all__ = ["Budget", "Tally"]

MAX_DUPLICATES = 20
MAX_FAILURES = 5
MAX_REFUSALS = 20
REFUSALS_TO_GIVE_UP = 200


@dataclass(frozen=True, slots=True)
class Budget:
    """Bounds a search: `trials` networks evaluated, and, if given, seconds.

    `seconds` are of wall time, from when this process began; `training` are those that all of the
    study's evaluations took, earlier processes' included.
    """

    trials: int
    seconds: float | None = None
    training: float | None = None


class Tally:
    """Counts what trials came to, in the order in which they end; repeats in that of asking."""

    def __init__(self) -> None:
        self.known: dict[str, TrialRecord] = {}
        self.finished = self.evaluated = self.repeats = self.failures = self.refusals = 0
        self.hopeless = 0  # refused one after another since they cannot win
        self.spent = 0.0

    def remember(self, record: TrialRecord) -> None:
        """Takes in a trial of an earlier process; one that was interrupted leaves no trace."""
        if record.error != INTERRUPTED:
            self.asked(new=record.duplicate_of is None)
            self.ended(record)

    def asked(self, *, new: bool) -> None:
        """Takes in whether a network that was asked for is new, neither known nor running."""
        self.repeats = 0 if new else self.repeats + 1

    def ended(self, record: TrialRecord) -> None:
        """Takes in what a trial came to."""
        self.finished += 1
        if record.duplicate_of is not None:
            return
        self.known.setdefault(record.fingerprint, record)
        self.spent += record.seconds or 0.0
        if record.refused:
            self.refusals += 1
            self.hopeless += record.refused.startswith(CANNOT_WIN)
        elif record.error:
            self.failures += 1
        else:
            self.evaluated += 1
            self.failures = self.refusals = self.hopeless = 0

    def affords(self, budget: Budget, *, running: int, seconds: float) -> bool:
        """Tells whether one more may be trained beside those `running`, for `seconds` in all."""
        affordable = budget.training is None or self.spent + seconds < budget.training
        return self.evaluated + running < budget.trials and affordable

    @property
    def stuck(self) -> bool:
        """Tells whether a sampler brings up what is known, over a limit or cannot win."""
        return self.repeats >= MAX_DUPLICATES or self.refusals >= MAX_REFUSALS

    def exhausted(self, running: int) -> bool:
        """Tells whether random draws, too, found nothing new that could win: all is used up."""
        used_up = self.repeats >= 2 * MAX_DUPLICATES + 2 * (len(self.known) + running)
        return used_up or self.hopeless >= REFUSALS_TO_GIVE_UP

    def nothing_can_win(self) -> None:
        """Takes in that no draw found a network that could beat the best."""
        self.hopeless = REFUSALS_TO_GIVE_UP

    def check(self, record: TrialRecord) -> None:
        """Raises `RunError` where trial after trial came to nothing, `record` the last."""
        if record.duplicate_of is not None:
            return
        if record.error and self.failures >= MAX_FAILURES:
            raise RunError(f"{self.failures} trials in a row failed; the last one: {record.error}")
        over = self.refusals - self.hopeless
        if record.refused and over >= REFUSALS_TO_GIVE_UP:
            raise RunError(
                f"{over} networks in a row were over a limit; the last one: {record.refused}"
            )
