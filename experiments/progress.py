"""Live progress on stderr: what is running, the best so far, the time left."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from experiments.amounts import format_seconds

__all__ = ["ConsoleReporter", "Reporter", "SilentReporter"]


class Reporter(Protocol):
    """Is told how a job goes. Work is in any unit, as long as it is the same throughout a job."""

    def plan(self, work: float) -> None:
        """Adds work that is still to be done."""

    def step(self, title: str) -> None:
        """Says which step begins."""

    def done(self, work: float, text: str = "") -> None:
        """Says that planned work has been done, and in a few words which."""

    def skip(self, work: float) -> None:
        """Takes planned work back: it turned out to be done already, or not to be needed."""

    def note(self, text: str) -> None:
        """Prints a line that stays."""


class SilentReporter:
    """Reports nothing."""

    def plan(self, work: float) -> None:
        """Ignores it."""

    def step(self, title: str) -> None:
        """Ignores it."""

    def done(self, work: float, text: str = "") -> None:
        """Ignores it."""

    def skip(self, work: float) -> None:
        """Ignores it."""

    def note(self, text: str) -> None:
        """Ignores it."""


class ConsoleReporter:
    """Draws a bar where the terminal has a cursor, and prints plain lines where it has none."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.total = self.finished = 0.0
        self.started = time.monotonic()
        self.title = ""
        self.bar: Progress | None = None
        self.task: TaskID | None = None

    def __enter__(self) -> ConsoleReporter:
        if self.console.is_terminal:
            self.bar = Progress(
                TextColumn("[bold]{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.percentage:>3.0f}%"),
                TextColumn("{task.fields[left]}"),
                TimeElapsedColumn(),
                TextColumn("{task.fields[text]}"),
                console=self.console,
                transient=True,
            )
            self.task = self.bar.add_task("", total=1.0, left="", text="")
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
        self._draw("")

    def step(self, title: str) -> None:
        """Prints the step's title."""
        self.title = title
        self.console.print(f"[bold]── {title}[/bold]")
        self._draw("")

    def done(self, work: float, text: str = "") -> None:
        """Moves the bar; where there is none, prints `text` with the time left."""
        self.finished += work
        if self.bar is None and text:
            self.console.print(f"{text}  [{self._left()}]", markup=False)
        self._draw(text)

    def skip(self, work: float) -> None:
        """Takes work out of the plan."""
        self.total -= work
        self._draw("")

    def note(self, text: str) -> None:
        """Prints a line that stays, above the bar if there is one."""
        self.console.print(text, markup=False)

    def _left(self) -> str:
        if self.finished <= 0 or self.total <= self.finished:
            return "…"
        spent = time.monotonic() - self.started
        return f"{format_seconds(spent * (self.total / self.finished - 1))} left"

    def _draw(self, text: str) -> None:
        if self.bar is None or self.task is None:
            return
        self.bar.update(
            self.task,
            description=self.title,
            completed=min(1.0, self.finished / max(self.total, 1e-9)),
            left=self._left(),
        )
        if text:
            self.bar.update(self.task, text=text)
