"""Live progress on stderr: what is running, the best so far, the time left."""

from __future__ import annotations

import time
from collections.abc import Iterable
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from experiments.amounts import format_seconds

__all__ = ["ConsoleReporter", "Reporter"]


class Reporter:
    """Is told how a job goes, and shows nothing of it; a subclass shows what it likes.

    Work is in any unit, as long as it is the same throughout a job.
    """

    def plan(self, work: float) -> None:
        """Adds work that is still to be done."""

    def skip(self, work: float) -> None:
        """Takes planned work back: it turned out to be done already, or not to be needed."""

    def step(self, title: str) -> None:
        """Says which step begins."""

    def running(self, text: str) -> None:
        """Says what is being done right now."""

    def best(self, text: str) -> None:
        """Says what is the best so far."""

    def done(self, work: float, text: str = "") -> None:
        """Says that planned work has been done, and in a few words which."""

    def note(self, text: str) -> None:
        """Says something that should stay on the screen."""

    def finish(self, work: float, text: str, *, now: bool) -> None:
        """Says that planned work is done: `now`, or by an earlier process, which took no time."""
        if now:
            self.done(work, text)
        else:
            self.skip(work)


class _Bar(Progress):
    """Draws a bar with a line of text below it."""

    status = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yields the bar, then the line."""
        yield self.make_tasks_table(self.tasks)
        yield Text(f"  {self.status}", overflow="ellipsis", no_wrap=True)


def _bar(console: Console) -> _Bar:
    return _Bar(
        TextColumn("{task.description}", style="bold", markup=False),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[left]}"),
        TextColumn("·"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
    )


class ConsoleReporter(Reporter):
    """Draws a bar where the terminal has a cursor, and prints plain lines where it has none."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.total = self.finished = 0.0
        self.started = time.monotonic()
        self.title = self.now = self.found = ""
        self.bar: _Bar | None = None
        self.task: TaskID | None = None

    def __enter__(self) -> ConsoleReporter:
        if self.console.is_terminal:
            self.bar = _bar(self.console)
            self.task = self.bar.add_task("", total=1.0, left="")
            self.bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar is not None:
            self.bar.stop()

    def plan(self, work: float) -> None:
        """Adds work that is still to be done."""
        self.total += work
        self._draw()

    def skip(self, work: float) -> None:
        """Takes work out of the plan."""
        self.total -= work
        self._draw()

    def step(self, title: str) -> None:
        """Prints the step's title."""
        self.title, self.now, self.found = title, "", ""
        self.console.print(f"── {title}", style="bold", markup=False)  # a path may hold [/x]
        self._draw()

    def running(self, text: str) -> None:
        """Shows what is being done, where there is a bar; plain lines only say what is done."""
        self.now = text
        self._draw()

    def best(self, text: str) -> None:
        """Keeps the best so far in sight."""
        self.found = text
        self._draw()

    def done(self, work: float, text: str = "") -> None:
        """Moves the bar; where there is none, prints `text` with the best and the time left."""
        self.finished += work
        if self.bar is None and text:
            parts = [text, *([f"best: {self.found}"] if self.found else []), self._left()]
            self.console.print(" | ".join(parts), markup=False)
        self._draw()

    def note(self, text: str) -> None:
        """Prints a line that stays, above the bar if there is one."""
        self.console.print(text, markup=False)

    def _left(self) -> str:
        if self.finished <= 0 or self.total <= self.finished:
            return "…"
        spent = time.monotonic() - self.started
        return f"about {format_seconds(spent * (self.total / self.finished - 1))} left"

    def _draw(self) -> None:
        if self.bar is None or self.task is None:
            return
        share = min(0.999, self.finished / max(self.total, 1e-9))
        self.bar.status = self.now + (f"   best so far: {self.found}" if self.found else "")
        self.bar.update(self.task, description=self.title, completed=share, left=self._left())
