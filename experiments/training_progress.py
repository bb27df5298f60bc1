"""How a training goes, told to a reporter while it runs: within its epochs, too."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from experiments.amounts import format_count
from experiments.progress import Reporter
from experiments.progressive import make_stages, stage_at
from experiments.recipes import Recipe
from experiments.training.loop import StepRecord
from experiments.training.state import EpochRecord

__all__ = ["TrainingProgress", "epoch_shares"]


def epoch_shares(recipe: Recipe, *, resolution: int, images: int) -> tuple[float, ...]:
    """Returns each epoch's share of a training's work, which goes with its images' pixels."""
    stages = make_stages(recipe, resolution=resolution, images=images)
    pixels = [stage_at(stages, epoch).resolution ** 2 for epoch in range(recipe.epochs)]
    return tuple(count / sum(pixels) for count in pixels)


class TrainingProgress:
    """Tells a reporter how one training goes, which was planned as `work`.

    Steps are shown as often as the reporter asks for it; only then is their loss read, which waits
    for the device. What an earlier process trained is taken out of the plan. `by_epoch` says that
    the reporter is told of epochs that are done, and else the caller tells it of the whole.
    """

    def __init__(
        self,
        reporter: Reporter,
        name: str,
        *,
        work: float,
        shares: Sequence[float],
        memory: Callable[[], int],
        by_epoch: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.reporter, self.name, self.work, self.shares = reporter, name, work, shares
        self.memory, self.by_epoch, self.clock = memory, by_epoch, clock
        self._told = 0.0  # share of the work that the reporter knows to be done, or not to be left
        self._accuracy: float | None = None
        self._begun = False
        self._mark = (0, 0, 0.0)  # epoch and step shown last, and when

    def started(self, history: Sequence[EpochRecord]) -> None:
        """Takes in what an earlier process had found out."""
        for record in history:
            self._validated(record)

    def step(self, record: StepRecord) -> None:
        """Takes in a step, and shows it if it is time."""
        if not self._begun:
            self._begin(record)
        if self.reporter.due():
            loss = float(record.loss)  # waits for the device: only then is the clock right
            text = self._described(
                record.epoch, f", step {record.step}/{record.steps}", loss,
                speed=self._speed(record), rate=record.lr, memory=self.memory(),
            )  # fmt: skip
            done = self._before(record.epoch, record.step / record.steps)
            self.reporter.under_way((done - self._told) * self.work, text)

    def epoch(self, record: EpochRecord) -> None:
        """Takes in the end of an epoch."""
        self._validated(record)
        if not self.by_epoch:
            return
        text = self._described(
            record.epoch, "", record.loss,
            speed=record.images_per_second, rate=record.lr, memory=record.memory,
        )  # fmt: skip
        done = self._before(record.epoch, 1.0)
        self.reporter.done((done - self._told) * self.work, text)
        self._told = done
        self.reporter.running(text)

    def ended(self) -> None:
        """Takes the epochs out of the plan that the training ended without."""
        self.reporter.skip((1.0 - self._told) * self.work)
        self._told = 1.0

    def _begin(self, record: StepRecord) -> None:
        """Finds out at the first step here how far an earlier process had come."""
        self._begun = True
        self._told = self._before(record.epoch, (record.step - 1) / record.steps)
        self.reporter.skip(self._told * self.work)
        self.reporter.running(f"{self.name}: epoch {record.epoch}/{len(self.shares)}")

    def _before(self, epoch: int, part: float) -> float:
        """Returns the share of the training that is done when `part` of an epoch is."""
        return sum(self.shares[: epoch - 1]) + self.shares[epoch - 1] * part

    def _validated(self, record: EpochRecord) -> None:
        if record.accuracy is not None:
            self._accuracy = record.accuracy

    def _speed(self, record: StepRecord) -> float:
        """Returns images per second since the last look, or since the epoch began."""
        epoch, step, then = self._mark
        now = self.clock()
        self._mark = (record.epoch, record.step, now)
        if epoch == record.epoch:
            return (record.step - step) * record.images / max(now - then, 1e-9)
        return record.step * record.images / max(record.seconds, 1e-9)

    def _described(
        self, epoch: int, place: str, loss: float, *, speed: float, rate: float, memory: int
    ) -> str:
        score = "" if self._accuracy is None else f", validation {self._accuracy:.1%}"
        fast, held = format_count(round(speed, 1)), memory / 2**20
        return (
            f"{self.name}: epoch {epoch}/{len(self.shares)}{place}, loss {loss:.3f}{score}, "
            f"{fast} images/s, lr {rate:.3g}, memory {held:,.0f} MiB"
        )
