"""Published archives into the cache: fetched once, held to their checksum."""

import hashlib
import shutil
import socket
import tempfile
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from experiments.data.cache import downloads_folder
from experiments.data.container import TEMPORARY
from experiments.data.images import one_line
from search_spaces.errors import InputError

__all__ = ["fetched"]

_TIMEOUT_SECONDS = 30
_ERRORS = (OSError, urllib.error.URLError, HTTPException, socket.timeout, ValueError)


def fetched(url: str, md5: str, *, name: str) -> Path:
    """Returns the file of an URL from the downloads folder, fetching it first if it is not there.

    Raises InputError, saying where to put the file by hand, when it cannot be fetched, and when
    its MD5 is not the published one.
    """
    path = downloads_folder() / url.rpartition("/")[2]
    if path.is_file():
        if _md5(path) != md5:
            raise InputError(f"{path}: is not the file of {url} (MD5 {md5} is right); remove it")
        return path
    try:
        return _fetch(url, md5, path)
    except _ERRORS as error:
        raise InputError(
            f"{name}: {url} cannot be downloaded ({one_line(error)}); "
            f"put that file at {path}, or give a folder of images"
        ) from None


def _fetch(url: str, md5: str, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=TEMPORARY) as folder:
        temporary = Path(folder) / path.name
        with (
            urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer,
            temporary.open("wb") as file,
        ):
            shutil.copyfileobj(answer, file)
        if (found := _md5(temporary)) != md5:
            raise OSError(f"MD5 {found} came, {md5} is right")
        temporary.replace(path)
    return path


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
