"""Temporary folders that go even where the process that made them was killed: by the next one."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

__all__ = ["make_scratch"]

LONGEST = 40  # characters: the path of a Unix socket below it may have 107
OURS = re.compile(r"nas-(\d+)-\w+")  # with the process that made it


def make_scratch() -> Path:
    """Makes a folder for what others insist on writing; removes those of processes that are gone.

    Whoever makes it removes it.
    """
    usual = tempfile.gettempdir()
    place = Path(usual if len(usual) < LONGEST else "/tmp")
    _remove_abandoned(place)
    return Path(tempfile.mkdtemp(prefix=f"nas-{os.getpid()}-", dir=place))


def _remove_abandoned(place: Path) -> None:
    with contextlib.suppress(OSError):
        for path in place.iterdir():
            named = OURS.fullmatch(path.name)
            if named and not _is_alive(int(named[1])) and path.stat().st_uid == os.getuid():
                shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True
