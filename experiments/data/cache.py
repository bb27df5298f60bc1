"""The folder that keeps decoded images, indices and downloads between commands, within a limit.

A copy is known by a key over the state of its source; the copies used longest ago are removed
first. A folder that cannot be written is gone on without.
"""

import hashlib
import json
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import platformdirs

from experiments.amounts import parse_count
from experiments.data.container import SUFFIX, TEMPORARY, Contents, read_container
from experiments.files import write_atomic
from search_spaces.errors import InputError

__all__ = [
    "PLACE_VARIABLE",
    "cache_folder",
    "cache_limit",
    "cache_state",
    "downloads_folder",
    "find",
    "key_of",
    "make_room",
    "path_of",
    "recall",
    "remember",
    "room",
]

PLACE_VARIABLE = "NAS_CACHE"
_LIMIT_VARIABLE = "NAS_CACHE_LIMIT"
_LIMIT = 20e9
_DISK_SHARE = 0.9  # of what is free: others need the rest
_STALE_SECONDS = 86400.0


def cache_folder() -> Path:
    """Returns $NAS_CACHE, or else the platform's folder for the user's caches."""
    asked = os.environ.get(PLACE_VARIABLE)
    if asked:
        return Path(asked).expanduser().absolute()
    return Path(platformdirs.user_cache_dir("compound-nas", appauthor=False))


def cache_limit() -> int:
    """Returns the most bytes to keep: $NAS_CACHE_LIMIT as 20G, 20 GB without; 0 keeps nothing.

    Raises InputError for a limit that cannot be read.
    """
    asked = os.environ.get(_LIMIT_VARIABLE, "").strip()
    if asked in ("", "0"):
        return int(_LIMIT) if not asked else 0
    return int(parse_count(asked, what=_LIMIT_VARIABLE))


def downloads_folder() -> Path:
    """Returns where downloaded archives lie; they do not count against the limit."""
    return cache_folder() / "downloads"


def _copies_folder() -> Path:
    return cache_folder() / "images"


def key_of(**identity: Any) -> str:
    """Returns 24 hex characters that name what a copy was made from."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


def path_of(key: str, kind: str) -> Path:
    """Returns the place of a copy."""
    return _copies_folder() / f"{key}.{kind}{SUFFIX}"


def find(path: Path) -> Contents | None:
    """Returns a whole copy and marks it as used, or None."""
    contents = read_container(path)
    if contents is not None:
        with suppress(OSError):  # a folder that is not ours to write
            os.utime(path)
    return contents


def remember(name: str, values: list[float]) -> None:
    """Keeps a few numbers that take long to find, where the folder can be written."""
    text = json.dumps(values)
    with suppress(InputError, OSError):
        if make_room(len(text)):
            write_atomic(_copies_folder() / f"{name}.json", text)


def recall(name: str, count: int) -> list[float] | None:
    """Returns the `count` numbers that were kept by that name, or None."""
    try:
        values = json.loads((_copies_folder() / f"{name}.json").read_bytes())
    except (OSError, ValueError):
        return None
    right = isinstance(values, list) and [type(value) for value in values] == [float] * count
    return values if right else None


def _copies() -> list[tuple[float, int, Path]]:
    """Returns time of last use, bytes and path of every file of the cache, oldest first."""
    found = []
    with suppress(OSError):
        for path in _copies_folder().iterdir():
            with suppress(OSError):  # removed by another process
                state = path.stat()
                found.append((state.st_mtime, state.st_size, path))
    return sorted(found)


def room() -> int:
    """Returns how many bytes one copy may have, were all others removed."""
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free + sum(size for _, size, _ in _copies())
    return min(cache_limit(), int(_DISK_SHARE * free))


def make_room(needed: int) -> bool:
    """Removes copies, those used longest ago first, until `needed` bytes fit; says if they do."""
    if cache_limit() == 0 or needed > room():
        return False
    copies = _copies()
    total = sum(size for _, size, _ in copies)
    folder = _copies_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for used, size, path in copies:
        stale = path.name.startswith(TEMPORARY) and used < time.time() - _STALE_SECONDS
        full = total + needed > cache_limit()
        low = needed > _DISK_SHARE * shutil.disk_usage(folder).free
        if stale or ((full or low) and not path.name.startswith(TEMPORARY)):
            with suppress(OSError):
                path.unlink()
                total -= size
    return total + needed <= cache_limit()


def cache_state() -> dict[str, Any]:
    """Returns the cache's place, size and limit, ready for JSON."""
    folder, copies = cache_folder(), _copies()
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    return {
        "path": str(folder),
        "copies": len(copies),
        "bytes": sum(size for _, size, _ in copies),
        "limit_bytes": cache_limit(),
        "writable": nearest.is_dir() and os.access(nearest, os.W_OK),
    }
