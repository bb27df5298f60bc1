"""Trainings in TensorBoard or MLflow, on request: what is written there, and by whom."""

from __future__ import annotations

import difflib
import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from experiments.tracking.tracker import RESULTS, Tracked, Tracker, settings
from experiments.training.state import EpochRecord
from search_spaces.errors import InputError, RunError
from search_spaces.libraries import import_library

__all__ = [
    "RESULTS",
    "TRACKERS",
    "Tracked",
    "Tracker",
    "Tracking",
    "parse_trackers",
    "settings",
]

# Whose module `experiments.tracking.NAME` has `make(folder, tracked) -> Tracker`.
TRACKERS = ("tensorboard", "mlflow")


def parse_trackers(asked: Sequence[str]) -> tuple[str, ...]:
    """Reads `tensorboard,mlflow`, in one word or several; raises `InputError` for another name.

    And for one whose package is not installed: that is said before anything is trained.
    """
    names = [name.strip() for words in asked for name in words.split(",")]
    for name in names:
        if name not in TRACKERS:
            near = difflib.get_close_matches(name, TRACKERS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InputError(f"--track {name!r}: {hint}It must be {' or '.join(TRACKERS)}")
        import_library(name)
    return tuple(dict.fromkeys(names))


class Tracking:
    """Tells the trackers of one training of how it goes, and closes them in the end.

    One that cannot begin ends the training, before it has begun; one that fails later is left out
    from then on, and a note says so.
    """

    def __init__(
        self,
        names: Sequence[str],
        folder: Path,
        tracked: Tracked,
        *,
        on_note: Callable[[str], None],
    ) -> None:
        self.tracked, self.on_note = tracked, on_note
        modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
        self._trackers: dict[str, Tracker] = {
            name: module.make(folder, tracked) for name, module in modules.items()
        }

    def __enter__(self) -> Tracking:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._each(lambda tracker: tracker.close(finished=kind is None))

    def started(self, history: Sequence[EpochRecord]) -> None:
        """Begins the curves with the epochs that were trained before."""
        for tracker in self._trackers.values():
            tracker.start(_timed(history))

    def epoch(self, record: EpochRecord) -> None:
        """Adds an epoch."""
        self._each(lambda tracker: tracker.epoch(record, time.time()))

    def ended(self, results: Mapping[str, float]) -> None:
        """Adds what a finished training came to: values by name."""
        self._each(lambda tracker: tracker.end(results))

    def _each(self, tell: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._trackers.items()):
            try:
                tell(tracker)
            except (InputError, RunError) as error:
                del self._trackers[name]
                text = f"{self.tracked.name}: {error}; the training goes on without {name}"
                self.on_note(text)


def _timed(history: Sequence[EpochRecord]) -> list[tuple[EpochRecord, float]]:
    """Pairs each epoch with the time it ended, as if they had ended one after another by now."""
    now, timed = time.time(), []
    for record in reversed(history):
        timed.append((record, now))
        now -= record.seconds
    return timed[::-1]
