"""Ctrl-C heeded where nothing is half done."""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType, TracebackType

import psutil

__all__ = ["Interrupts"]

INTERRUPTED = 130


class Interrupts:
    """Holds Ctrl-C back, while this is entered, until it is heeded; a second one ends at once.

    Only a process's main thread is interrupted: in another one this does nothing.
    """

    def __init__(self) -> None:
        self.pending = False
        self._before: object = None

    def __enter__(self) -> Interrupts:
        with contextlib.suppress(ValueError):  # not the main thread
            self._before = signal.signal(signal.SIGINT, self._hold)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)  # type: ignore[arg-type]
        if kind is None:
            self.heed()

    def heed(self) -> None:
        """Raises `KeyboardInterrupt` where Ctrl-C was pressed."""
        if self.pending:
            raise KeyboardInterrupt

    def _hold(self, number: int, frame: FrameType | None) -> None:
        if self.pending:
            _end_children()
            os._exit(INTERRUPTED)
        self.pending = True


def _end_children() -> None:
    """Kills all that this process began, and that would outlive it, some of it for a minute."""
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
