"""TensorBoard's event files of a training, in RUN/tensorboard/NETWORK."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from experiments.files import writing_errors
from experiments.tracking.tracker import RESULTS, Tracked, scalars
from experiments.training.state import EpochRecord

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["EventFiles", "make"]


class EventFiles:
    """Writes a training's events.

    A training that goes on writes its former epochs anew, in the place of the files that were
    there: so none is missing and none there twice, wherever it was killed.
    """

    def __init__(self, folder: Path, tracked: Tracked) -> None:
        self.folder, self.tracked = folder, tracked
        self.last = 0
        self._writer: SummaryWriter | None = None

    @property
    def writer(self) -> SummaryWriter:
        """Returns what writes; it opens a file the first time."""
        if self._writer is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (optional)
            self._writer = SummaryWriter(str(self.folder))
        return self._writer

    def start(self, history: Sequence[tuple[EpochRecord, float]]) -> None:
        """Replaces what an earlier process wrote."""
        with writing_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for former in self.folder.glob("events.out.tfevents.*"):
                former.unlink()
            rows = "".join(f"| {name} | {value} |\n" for name, value in self.tracked.params.items())
            self.writer.add_text("training", f"| | |\n|-|-|\n{rows}")
            for record, ended in history:
                self._add(record, ended)
            self.writer.flush()

    def epoch(self, record: EpochRecord, ended: float) -> None:
        """Adds an epoch; it is in the file when this returns."""
        with writing_errors(self.folder):
            self._add(record, ended)
            self.writer.flush()

    def _add(self, record: EpochRecord, ended: float) -> None:
        self.last = record.epoch
        for name, value in scalars(record).items():
            self.writer.add_scalar(name, value, record.epoch, walltime=ended)

    def end(self, results: Mapping[str, float]) -> None:
        """Adds the results, with the settings beside them for TensorBoard's own table of both."""
        with writing_errors(self.folder):
            named = {RESULTS[name]: value for name, value in results.items()}
            self.writer.add_hparams(
                dict(self.tracked.params), named, run_name=".", global_step=self.last
            )
            self.writer.flush()

    def close(self, *, finished: bool) -> None:
        """Closes the file."""
        if self._writer is not None:
            with writing_errors(self.folder):
                self._writer.close()


def make(folder: Path, tracked: Tracked) -> EventFiles:
    """Returns what writes a training's events below a run folder."""
    return EventFiles(folder / "tensorboard" / tracked.name, tracked)
