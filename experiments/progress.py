"""Live progress on stderr: what is running, the best so far, the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from types import TracebackType

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from experiments.amounts import format_seconds

__all__ = ["ConsoleReporter", "Reporter"]

BAR_SECONDS, LINE_SECONDS = 0.5, 10.0  # between two looks at what is under way


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
        """Says what begins right now."""

    def due(self) -> bool:
        """Tells whether it is time to say `under_way` again."""
        return False

    def under_way(self, work: float, text: str) -> None:
        """Says how much is done of the work that `done` will be told of, and in a few words how."""

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
    """Draws a bar with lines of text below it."""

    status: tuple[str, ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """Yields the bar, then the lines, wrapped where they are longer than it is wide."""
        yield self.make_tasks_table(self.tasks)
        yield from (
            Text(f"  {line}", no_wrap=False, overflow="fold") for line in self.status if line
        )


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
    """Draws a bar where the terminal has a cursor, and prints plain lines where it has none.

    `clock` gives seconds. The time left is reckoned from the moment when work is first planned.
    """

    def __init__(
        self, console: Console | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.clock = clock
        self.total = self.finished = self.partly = 0.0
        self.started = self.shown = clock()
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
        if not self.total:
            self.started = self.clock()
        self.total += work
        self._draw()

    def skip(self, work: float) -> None:
        """Takes work out of the plan."""
        self.total -= work
        self._draw()

    def step(self, title: str) -> None:
        """Prints the step's title."""
        self.title, self.now, self.found = title, "", ""
        self.shown = self.clock()
        self.console.print(f"── {title}", style="bold", markup=False)  # a path may hold [/x]
        self._draw()

    def running(self, text: str) -> None:
        """Shows what begins, where there is a bar; plain lines tell of it after a while."""
        self.now, self.partly = text, 0.0
        self.shown = self.clock()
        self._draw()

    def due(self) -> bool:
        """Tells whether what is under way was last shown long enough ago."""
        wait = LINE_SECONDS if self.bar is None else BAR_SECONDS
        return self.clock() - self.shown >= wait

    def under_way(self, work: float, text: str) -> None:
        """Moves the bar, or prints a line that says how far what is running has come."""
        self.now, self.partly = text, work
        self._line(text)
        self._draw()

    def best(self, text: str) -> None:
        """Keeps the best so far in sight."""
        self.found = text
        self._draw()

    def done(self, work: float, text: str = "") -> None:
        """Moves the bar; where there is none, prints `text` with the best and the time left."""
        self.finished += work
        self.partly = 0.0
        if text:
            self._line(text)
        self._draw()

    def note(self, text: str) -> None:
        """Prints a line that stays, above the bar if there is one."""
        self.console.print(text, markup=False)

    def _line(self, text: str) -> None:
        self.shown = self.clock()
        if self.bar is None:
            parts = [text, *([f"best: {self.found}"] if self.found else []), self._left()]
            self.console.print(" | ".join(parts), markup=False)

    def _left(self) -> str:
        finished = self.finished + self.partly
        if finished <= 0 or self.total <= finished:
            return "…"
        spent = self.clock() - self.started
        return f"about {format_seconds(spent * (self.total / finished - 1))} left"

    def _draw(self) -> None:
        if self.bar is None or self.task is None:
            return
        share = min(0.999, (self.finished + self.partly) / max(self.total, 1e-9))
        self.bar.status = (self.now, f"best so far: {self.found}" if self.found else "")
        self.bar.update(self.task, description=self.title, completed=share, left=self._left())
