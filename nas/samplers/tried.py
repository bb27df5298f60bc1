"""What a study has tried, as arrays that are kept from one suggestion to the next.

A sampler is made anew for every trial, and a study may have many thousands: those that have
finished change no more, so each is described once in a process.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import is_

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from nas.samplers.columns import Columns

__all__ = ["FAIL", "PRUNED", "Tried"]

Array = np.ndarray
COMPLETE, PRUNED, FAIL = (int(s) for s in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL))
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


class Tried:
    """Holds the finished trials of a study whose parameters a space holds, in order.

    `rows` (N, parameters) are theirs, `keys` (N,) equal where networks are, `values` (N,) what the
    study was told first (NaN: nothing finite), `states` (N,), and `first` (N,) tells of each
    whether its network was not a repeat.
    """

    def __init__(self, columns: Columns, keys: Callable[[Array], Array]) -> None:
        self._columns, self._key_of = columns, keys
        self._clear()

    def _clear(self) -> None:
        self._seen: list[FrozenTrial | None] = []  # those that have finished, by place
        self.trials: list[FrozenTrial] = []
        self.rows = np.zeros((0, len(self._columns.names)))
        self.keys = np.zeros(0, dtype=np.uint64)
        self.values, self.states = np.zeros(0), np.zeros(0, dtype=np.int64)
        self.first = np.zeros(0, dtype=bool)

    def update(self, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
        """Takes in those of all of a study's trials that have finished; returns the others.

        Storages give the same object for a finished trial each time; another study's replace all.
        """
        seen = self._seen
        seen += [None] * (len(trials) - len(seen))
        unlike = [place for place, same in enumerate(map(is_, trials, seen)) if not same]
        if len(trials) < len(seen) or any(seen[place] is not None for place in unlike):
            self._clear()
            return self.update(trials)
        new: list[FrozenTrial] = []
        rest: list[FrozenTrial] = []
        for place in unlike:
            trial = trials[place]
            (new if trial.state in FINISHED else rest).append(trial)
            seen[place] = trial if trial.state in FINISHED else None
        self._add([trial for trial in new if self._columns.holds(trial.params)])
        return rest

    def _add(self, new: list[FrozenTrial]) -> None:
        if not new:
            return
        rows = self._columns.encode([trial.params for trial in new])
        told = [_told(trial) for trial in new]
        repeated = ["duplicate_of" in trial.user_attrs for trial in new]
        late = bool(self.trials) and new[0].number < self.trials[-1].number
        self.trials += new
        self.rows = np.concatenate([self.rows, rows])
        self.keys = np.concatenate([self.keys, self._key_of(rows)])
        self.values = np.concatenate([self.values, told])
        self.states = np.concatenate([self.states, [int(trial.state) for trial in new]])
        self.first = np.concatenate([self.first, ~np.array(repeated)])
        if late:
            self._sort()
        self.rows = np.asfortranarray(self.rows)

    def _sort(self) -> None:
        """Brings into order what has finished later than trials of greater numbers."""
        order = np.argsort([trial.number for trial in self.trials], kind="stable")
        self.trials = [self.trials[place] for place in order]
        for name in ("rows", "keys", "values", "states", "first"):
            setattr(self, name, getattr(self, name)[order])

    @property
    def measured(self) -> Array:
        """Tells (N,) which trials ended with finite values."""
        return np.asarray((self.states == COMPLETE) & np.isfinite(self.values))

    def of(self, chosen: Array) -> list[FrozenTrial]:
        """Returns the trials (N,) that are chosen."""
        return [self.trials[place] for place in np.flatnonzero(chosen)]


def _told(trial: FrozenTrial) -> float:
    values = trial.values
    return float(values[0]) if values and np.isfinite(values).all() else np.nan
