"""Addresses of storages: read, told apart, and shown without the password that one may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from pydantic import BaseModel, ConfigDict

from search_spaces.errors import InputError

__all__ = ["FORMS", "Address", "StorageConfig", "parse_address", "without_password"]

FORMS = "postgresql://USER@HOST:PORT/DATABASE, grpc://HOST:PORT, sqlite:///FILE or mysql+DRIVER://"
GRPC_PORT = 13000
_IN_AUTHORITY = re.compile(r"(\w://[^\s:/?#@]*):[^\s/]*@")
_IN_QUERY = re.compile(r"([?&](?:password|passwd)=)[^&\s]*")


def without_password(text: str) -> str:
    """Returns a text in which no address tells its password."""
    return _IN_QUERY.sub(r"\1", _IN_AUTHORITY.sub(r"\1@", text))


class StorageConfig(BaseModel):
    """Says in run.toml where a run's studies are, and what the run is called there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str
    run: str


@dataclass(frozen=True, slots=True)
class Address:
    """Says where a storage is. `url` has no password; `password` is never shown or written."""

    url: str
    password: str | None = field(default=None, repr=False, compare=False)

    @property
    def scheme(self) -> str:
        """Returns the kind of storage, without the driver's name."""
        return self.url.partition(":")[0].partition("+")[0]

    @property
    def place(self) -> tuple[str, int]:
        """Returns host and port of a proxy."""
        parts = urlsplit(self.url)
        return parts.hostname or "localhost", parts.port or GRPC_PORT

    def __str__(self) -> str:
        return self.url


def parse_address(text: str, *, what: str = "--storage") -> Address:
    """Reads an address; raises `InputError` for one that names no storage."""
    shown = without_password(text)
    try:
        parts = urlsplit(text.replace("postgres://", "postgresql://", 1))
        _ = parts.port
    except ValueError as error:
        raise InputError(f"{what} {shown}: {without_password(str(error))}; {FORMS}") from None
    if wrong := _wrong(parts):
        raise InputError(f"{what} {shown}: {wrong}; {FORMS}")
    words = dict(parse_qsl(parts.query))
    hidden = words.pop("password", None) or words.pop("passwd", None)
    password = hidden if parts.password is None else unquote(parts.password)
    user, at, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}{at}{host}"
    bare = parts._replace(netloc=netloc, query=urlencode(words))
    return Address(_joined(bare), password)


def _joined(parts: SplitResult) -> str:
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"


def _wrong(parts: SplitResult) -> str | None:
    """Says what is wrong with an address; None: nothing."""
    scheme, _, driver = parts.scheme.partition("+")
    if scheme not in ("postgresql", "grpc", "sqlite", "mysql"):
        return "no storage is addressed so" if not scheme else f"{scheme}:// is no storage"
    if scheme == "grpc" and (driver or not parts.hostname):
        return "it names no host"
    if scheme in ("postgresql", "mysql") and not parts.path.strip("/"):
        return "it names no database"
    if scheme == "sqlite" and (parts.netloc or not parts.path.strip("/")):
        return "it names no file (sqlite:////FILE from the root)"
    return None
