"""Files written so that a kill at any moment leaves the old content or the new, never half."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from search_spaces.errors import InputError, RunError

__all__ = [
    "append_line",
    "check_room",
    "read_lines",
    "remove_temporaries",
    "write_atomic",
    "write_atomic_with",
    "writing_errors",
]

TEMPORARY = ".tmp-"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextlib.contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Turns a failure to write below `path` into one line that says where and why.

    Raises `RunError` for a disk that is full, `InputError` for anything else.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise RunError(
                f"cannot write {path}: {error.strerror}; what had finished is kept, and the same "
                "command goes on once there is room"
            ) from None
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def write_atomic_with(path: Path, write: Callable[[Path], object]) -> None:
    """Lets `write` fill a temporary file beside `path`, syncs it and renames it to `path`."""
    with writing_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=f"{TEMPORARY}{path.stem}-", suffix=path.suffix
        )
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def check_room(folder: Path, needed: int, *, what: str) -> None:
    """Raises `InputError` where fewer than `needed` bytes are free below `folder`."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise InputError(
            f"{folder}: {free / 2**20:,.0f} MiB are free and {what} may take "
            f"{needed / 2**20:,.0f} MiB; free some, or choose another folder with --out"
        )


def remove_temporaries(folder: Path) -> None:
    """Removes the temporary files that killed writers left in `folder` and below."""
    for stale in folder.rglob(f"{TEMPORARY}*"):
        stale.unlink(missing_ok=True)


def write_atomic(path: Path, content: str | bytes) -> None:
    """Writes text (UTF-8) or bytes to `path`, whole or not at all."""
    data = content.encode() if isinstance(content, str) else content
    write_atomic_with(path, lambda temporary: temporary.write_bytes(data))


def append_line(path: Path, document: dict[str, Any]) -> None:
    """Appends one JSON line to `path` and waits until it is on disk.

    A line that an earlier process left torn is ended first, so that it cannot swallow this one.
    """
    line = json.dumps(document, separators=(",", ":")) + "\n"
    with writing_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab+") as file:
            end = file.seek(0, os.SEEK_END)
            if end:
                file.seek(end - 1)
                line = line if file.read(1) == b"\n" else "\n" + line
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the JSON lines of `path`, leaving out one that a kill left torn."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            yield json.loads(line)
