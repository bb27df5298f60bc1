"""Run folders opened for a command: new or found, with its progress on the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from search_spaces.errors import InputError

if TYPE_CHECKING:
    from experiments.config import TrainingConfig
    from experiments.prepare import DataRequest
    from experiments.progress import Reporter
    from experiments.search_request import SearchRequest
    from experiments.session import Session

__all__ = ["given", "opened", "reopened", "reporting", "session_of"]


def given(context: typer.Context, name: str) -> bool:
    """Tells whether a command was given a value for its parameter."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


@contextmanager
def reporting(quiet: bool = False) -> Iterator[Reporter]:
    """Gives what tells the terminal of progress; it says nothing where it is to be quiet."""
    from experiments.progress import ConsoleReporter, Reporter

    if quiet:
        yield Reporter()
        return
    with ConsoleReporter() as reporter:
        yield reporter


@contextmanager
def opened(
    request: DataRequest,
    out: Path,
    quiet: bool,
    search: SearchRequest | None = None,
    *,
    training: TrainingConfig | None = None,
) -> Iterator[Session]:
    """Opens a new folder, or goes on in one that was made with the same request."""
    from experiments.prepare import start
    from experiments.store import RunFolder

    folder = RunFolder(out)
    with (
        reporting(quiet) as reporter,
        start(request, folder, reporter, search, training=training) as session,
    ):
        yield session


@contextmanager
def reopened(out: Path, quiet: bool, device: str, **how: Any) -> Iterator[Session]:
    """Opens a run folder as it was made; `how` is what `reopen` takes."""
    from experiments.prepare import reopen
    from experiments.store import RunFolder

    with (
        reporting(quiet) as reporter,
        reopen(RunFolder(out), reporter, device=device, **how) as session,
    ):
        yield session


@contextmanager
def session_of(
    request: DataRequest | None,
    folder: Path,
    quiet: bool,
    device: str,
    **how: Any,
) -> Iterator[Session]:
    """Opens a folder for the data asked for, or with the data that it was made with."""
    from experiments.data import FORMS
    from experiments.store import RunFolder

    if request is None and not RunFolder.is_run(folder):
        raise InputError(f"--data is missing ({FORMS}), since {folder} is no run folder")
    folder_of = (
        opened(request, folder, quiet) if request else reopened(folder, quiet, device, **how)
    )
    with folder_of as session:
        yield session
