"""A storage that waits for its server: what fails since it is away for a while is done again."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import grpc
import sqlalchemy.exc
from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from experiments.addresses import without_password
from search_spaces.errors import RunError

__all__ = ["is_away", "patient", "reason_of"]

Say = Callable[[str], None]
LONGEST = 60.0  # seconds that a server may be away
STEPS = (0.1, 0.2, 0.5, 1.0, 2.0, 4.0)  # seconds between attempts, the last again and again
_FAULTS = (StorageInternalError, sqlalchemy.exc.SQLAlchemyError, grpc.RpcError, sqlite3.Error)
_AWAY = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
# Classes and codes of SQLSTATE: connections, shutdown and start, too many clients, deadlock.
_STATES = ("08", "57P", "53300", "40001", "40P01")
_WORDS = ("database is locked", "server closed the connection", "gone away", "lost connection")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Lists an error and what it came from, the driver's own error last."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = getattr(found, "orig", None) or found.__cause__


def is_away(error: BaseException) -> bool:
    """Tells whether an error says that a server cannot be reached now, or has no time."""
    for each in _causes(error):
        if isinstance(each, grpc.RpcError):
            return each.code() in _AWAY
        if getattr(each, "connection_invalidated", False):
            return True
        if state := getattr(each, "sqlstate", None) or getattr(each, "pgcode", None):
            return str(state).startswith(_STATES)
    last = [*_causes(error)][-1]
    if type(last).__module__.startswith("psycopg"):  # without a state: there is no connection
        return type(last).__name__ == "OperationalError"
    return any(word in str(last).lower() for word in _WORDS)


def reason_of(error: BaseException) -> str:
    """Says in one line what a driver complained of."""
    last = [*_causes(error)][-1]
    if isinstance(last, grpc.RpcError):
        return without_password(f"{last.code().name.lower()}: {last.details()}")
    return without_password(" ".join(str(last).split())) or type(last).__name__


class _Patience:
    """Tries an operation until the server is back, up to a minute; says once that it waits."""

    def __init__(self, storage: BaseStorage, name: str, say: Say) -> None:
        self.storage, self.name, self.say = storage, name, say
        self.flush = getattr(storage, "flush", None)

    def __call__(self, method: str, *args: Any, **options: Any) -> Any:
        """Calls a method of the storage; raises `RunError` where it goes on failing."""
        start, attempt = time.monotonic(), 0
        while True:
            try:
                if self.flush is not None and method != "set_trial_param":
                    self.flush()
                return getattr(self.storage, method)(*args, **options)
            except UpdateFinishedTrialError:
                if attempt and self._told(method, *args, **options):
                    return True  # it was written the time before; only the answer was lost
                raise
            except _FAULTS as error:
                if not is_away(error) or time.monotonic() - start > LONGEST:
                    self._give_up(error, time.monotonic() - start)
                if not attempt:
                    self.say(f"storage {self.name} is away ({reason_of(error)}); waiting for it")
            time.sleep(STEPS[min(attempt, len(STEPS) - 1)])
            attempt += 1

    def _give_up(self, error: BaseException, waited: float) -> NoReturn:
        after = f" after {waited:.0f} s" if waited > 1 else ""
        raise RunError(
            f"storage {self.name} failed{after}: {reason_of(error)}; what had finished is kept, "
            "and the same command goes on"
        ) from error

    def _told(self, method: str, trial_id: int, state: TrialState, values: Any = None) -> bool:
        if method != "set_trial_state_values":
            return False
        trial = self.storage.get_trial(trial_id)
        return trial.state == state and (values is None or trial.values == list(values))


def _passed_on(method: str) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **options: Any) -> Any:
        return self._patience(method, *args, **options)

    return call


_METHODS = [
    name
    for name, value in vars(BaseStorage).items()
    if callable(value) and not name.startswith("_") and name != "check_trial_is_updatable"
]
_PatientStorage: type[BaseStorage] = type(
    "PatientStorage", (BaseStorage,), {name: _passed_on(name) for name in _METHODS}
)


def patient(storage: BaseStorage, name: str, say: Say) -> BaseStorage:
    """Returns a storage that does all that another does, and again while its server is away.

    `name` is what messages call it. An operation that a server did, but could not answer any more,
    may be done twice: a trial that nobody knows of is then left running in the study.
    """
    made = _PatientStorage()
    made._patience = _Patience(storage, name, say)  # type: ignore[attr-defined]
    return made
