"""Studies in a storage by address: opened, checked, and kept apart from those of other runs."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import secrets
import sqlite3
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import optuna
import sqlalchemy.exc
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, GrpcStorageProxy, get_storage
from optuna.study import Study

from experiments.addresses import FORMS, Address
from experiments.bulk_reading import BulkStorage
from experiments.gathering import GatheringStorage
from experiments.patience import is_away, patient, reason_of
from search_spaces.errors import InputError

__all__ = [
    "Owner",
    "file_database",
    "file_storage",
    "new_run_id",
    "open_database",
    "open_storage",
    "open_study",
]

FORMAT = "compound-nas/study"
VERSION = 1
ANSWER = 8  # seconds in which a server has to answer
RACES = 5  # attempts at making tables that another process is making as well
_UNUSUAL = re.compile(r"[^\w.-]+")
_CONNECTING = {
    "connect_timeout": ANSWER // 2,  # of each address of a name: localhost has two
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}

Say = Callable[[str], None]


def _nothing(_: str) -> None:
    pass


def new_run_id(folder: Path) -> str:
    """Names a run as no other is named, so that a reader of a shared storage knows it again."""
    name = _UNUSUAL.sub("-", folder.resolve().name)[:60]
    return f"{name}-{secrets.token_hex(4)}"


@dataclass(frozen=True, slots=True)
class Owner:
    """Says whose study is meant: a run, and the space that it searches.

    `run` is None where the storage is a file in the run's own folder.
    """

    run: str | None
    space: str

    def attributes(self) -> dict[str, Any]:
        """Returns what is written into a study."""
        named = {"run": self.run} if self.run else {}
        return {"format": FORMAT, "version": VERSION, "space": self.space, **named}

    def check(self, study: Study, where: str) -> None:
        """Raises `InputError` where a study is another's, or a newer version's."""
        found, what = study.user_attrs, f"{where}: study {study.study_name}"
        if self.run is None and not found:  # an earlier version's
            return
        if found.get("format") != FORMAT:
            raise InputError(f"{what} is not one of compound-nas; give another storage")
        version = found.get("version")
        if not isinstance(version, int) or version > VERSION:
            raise InputError(
                f"{what} is of version {version}, newer than {VERSION}; update compound-nas"
            )
        for name, mine in (("run", self.run), ("space", self.space)):
            if found.get(name) != mine:
                raise InputError(f"{what} is of {name} {found.get(name)}, not {mine}")


def open_study(
    storage: BaseStorage, name: str, directions: Sequence[Any], owner: Owner | None, where: str
) -> Study:
    """Opens a study, or creates it; raises `InputError` for one that is not the `owner`'s."""
    study = optuna.create_study(
        study_name=name, storage=storage, directions=list(directions), load_if_exists=True
    )
    if owner is None:
        return study
    if not study.user_attrs and not study.get_trials(deepcopy=False):
        for key, value in owner.attributes().items():
            study.set_user_attr(key, value)
    owner.check(study, where)
    return study


def open_storage(address: Address, say: Say = _nothing, *, gather: bool = False) -> BaseStorage:
    """Opens a storage by its address; raises `InputError` where that cannot be, within 10 s.

    With `gather` a trial's parameters are written together, when something else is done next.
    """
    if address.scheme == "grpc":
        return patient(_proxied(address), str(address), say)
    return _patient(open_database(address), address, say, gather)


def file_storage(path: Path, say: Say = _nothing, *, gather: bool = False) -> BaseStorage:
    """Opens a storage that is a file of SQLite, or makes it."""
    return _patient(file_database(path), path, say, gather)


def _patient(database: BulkStorage, where: object, say: Say, gather: bool) -> BaseStorage:
    cached = GatheringStorage(database) if gather else get_storage(database)
    return patient(cached, str(where), say)


def open_database(address: Address) -> BulkStorage:
    """Opens a storage that is a database, with nothing between."""
    if address.scheme == "sqlite":
        return file_database(Path(address.url.removeprefix("sqlite:///")))
    url = _driven(address)
    connecting: dict[str, Any] = dict(_CONNECTING) if address.scheme == "postgresql" else {}
    if address.password is not None:
        connecting["password"] = address.password
    options = {"pool_pre_ping": True, "connect_args": connecting}
    return _made(lambda: BulkStorage(url, options), address)


def file_database(path: Path) -> BulkStorage:
    """Opens a database that is a file of SQLite, or makes it."""
    path = path.resolve()
    url = f"sqlite:///{path}".replace("{", "{{").replace("}", "}}")  # Optuna's is a template
    return _made(lambda: BulkStorage(url, {"creator": lambda: _connected(path)}), path)


def _connected(path: Path) -> sqlite3.Connection:
    """Opens a study's file with a write-ahead log: a trial is some forty small transactions.

    What is told to the study outlives the process. If the machine itself stops, the last trials may
    be told again, from the log of trainings.
    """
    connection = sqlite3.connect(path, check_same_thread=False)
    with contextlib.suppress(sqlite3.OperationalError):  # others have it open, or it is read-only
        if connection.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",):
            connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def _driven(address: Address) -> str:
    """Returns an address with a driver that is installed."""
    scheme, _, rest = address.url.partition("://")
    if scheme != "postgresql":
        return address.url
    for driver in ("psycopg", "psycopg2"):
        if importlib.util.find_spec(driver):
            return f"{scheme}+{driver}://{rest}"
    raise InputError(f"storage {address} needs a driver: pip install 'compound-nas[postgresql]'")


def _made(make: Callable[[], BulkStorage], where: object) -> BulkStorage:
    """Opens a database with Optuna's tables; raises `InputError` saying why it cannot be used."""
    for attempt in range(RACES):
        try:
            return make()
        except ImportError as error:
            cause = error.__cause__ or error
            raise InputError(f"storage {where} needs a driver that is missing: {cause}") from None
        except (sqlalchemy.exc.IntegrityError, sqlalchemy.exc.ProgrammingError) as error:
            if attempt + 1 == RACES:  # else another process has just made the same table
                raise InputError(f"storage {where}: {reason_of(error)}") from None
        except (sqlalchemy.exc.SQLAlchemyError, StorageInternalError) as error:
            raise InputError(_unusable(where, error)) from None
        except RuntimeError as error:
            raise InputError(f"storage {where}: {_outdated(error)}") from None
        except (TypeError, ValueError) as error:  # an option that the driver does not know
            raise InputError(f"storage {where}: {error}; {FORMS}") from None
    raise AssertionError


def _outdated(error: RuntimeError) -> str:
    """Says in which direction the versions of Optuna differ that made and that read the tables."""
    if "upgrade" in str(error):
        return (
            "an older Optuna made its tables; "
            "`optuna storage upgrade --storage ADDRESS` brings them up to date"
        )
    return f"a newer Optuna made its tables than {optuna.__version__}; update Optuna"


def _unusable(where: object, error: Exception) -> str:
    reason = reason_of(error)
    if "password" in reason or "authentication" in reason:
        return (
            f"storage {where} refused the user: {reason}; the password comes from PGPASSWORD, "
            "~/.pgpass or the address"
        )
    if is_away(error) or "timeout" in reason:
        return (
            f"storage {where} does not answer: {reason}; check that the server runs, "
            "its host and port, and what lies between"
        )
    return f"storage {where} cannot be used: {reason}"


def _proxied(address: Address) -> BaseStorage:
    host, port = address.place
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        proxy = GrpcStorageProxy(host=host, port=port)
    try:
        proxy.wait_server_ready(timeout=ANSWER)
        proxy.get_all_studies()
    except ConnectionError:
        raise InputError(
            f"storage {address} does not answer within {ANSWER} s; check that "
            "`nas storage serve` runs there, its host and port, and what lies between"
        ) from None
    except grpc.RpcError as error:
        raise InputError(f"storage {address}: {reason_of(error)}") from None
    return proxy
