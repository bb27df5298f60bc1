"""What a training may be told to do at each of its steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from experiments.amounts import format_seconds
from experiments.training.loop import StepRecord
from search_spaces.errors import RunError

__all__ = ["both", "time_limit"]

T = TypeVar("T")


def both(first: Callable[[T], None], second: Callable[[T], None]) -> Callable[[T], None]:
    """Returns the function that tells two others, in order."""

    def tell(value: T) -> None:
        first(value)
        second(value)

    return tell


def time_limit(
    seconds: float, start: float, *, clock: Callable[[], float] = time.perf_counter
) -> Callable[[StepRecord], None]:
    """Returns what raises `RunError` at the first step that ends `seconds` or more after `start`.

    The training is left from inside: nothing of it goes on, and its memory is free again.
    """

    def check(record: StepRecord) -> None:
        if clock() - start >= seconds:
            raise RunError(
                f"timed out after {format_seconds(seconds)}, in epoch {record.epoch}, "
                f"step {record.step} of {record.steps}"
            )

    return check
