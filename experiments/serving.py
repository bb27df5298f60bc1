"""`nas storage`: a storage served to many machines, or shown by optuna-dashboard."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from search_spaces.errors import InputError, RunError

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

__all__ = ["COMMANDS", "app"]

HELP = "Serves the storage of studies to many machines, or shows it."
LOOPBACK = "127.0.0.1"
THREADS = 32  # requests at once: of hundreds of workers, few ask at the same moment

Where = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="postgresql://…, another address, or a run folder")
]
Host = Annotated[str, typer.Option("--host", help="address to listen on; 0.0.0.0 is every one")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535)]

app = typer.Typer(
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def _opened(where: str) -> BaseStorage:
    """Opens a storage by its address, or that of a run folder."""
    from experiments.addresses import parse_address
    from experiments.storages import open_storage
    from experiments.store import RunFolder

    folder = RunFolder(Path(where))
    if not folder.is_run(folder.path):
        return open_storage(parse_address(where, what="ADDRESS"), _say)
    folder.studies.say = _say
    return folder.studies.storage(gather=False)


@contextmanager
def _stoppable(stop: Callable[[], Any]) -> Iterator[None]:
    """Stops a server at SIGTERM, as Ctrl-C does."""
    former = signal.signal(signal.SIGTERM, lambda *_: stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def serve(address: Where, host: Host = LOOPBACK, port: Port = 13000) -> None:
    """Serves a storage by Optuna's gRPC proxy, at grpc://HOST:PORT, until it is stopped.

    Hundreds of workers then share a few connections to the database. The proxy asks for no password
    and encrypts nothing: let it listen only where all are trusted.
    """
    from concurrent.futures import ThreadPoolExecutor

    from optuna.storages._grpc.server import make_server

    storage = _opened(address)
    try:
        server = make_server(storage, host, port, ThreadPoolExecutor(THREADS))
    except RuntimeError:
        raise InputError(
            f"--port {port}: {host} cannot listen there (another program may); give another --port"
        ) from None
    server.start()
    _say(f"serving {address_text(address)} at grpc://{host}:{port}; Ctrl-C stops it")
    with _stoppable(lambda: server.stop(grace=1)):
        try:
            server.wait_for_termination()
        except KeyboardInterrupt:
            server.stop(grace=1).wait()


def address_text(address: str) -> str:
    """Writes an address without its password."""
    from experiments.addresses import without_password

    return without_password(address)


def dashboard(address: Where, host: Host = LOOPBACK, port: Port = 8080) -> None:
    """Shows the studies of a storage, also while they are searched, in optuna-dashboard."""
    try:
        from optuna_dashboard import run_server
    except ImportError:
        raise InputError(
            "optuna-dashboard is missing: pip install 'compound-nas[dashboard]'"
        ) from None
    storage = _opened(address)
    _say(f"http://{host}:{port} shows {address_text(address)}; Ctrl-C stops it")
    try:
        run_server(storage, host=host, port=port)
    except OSError as error:
        raise RunError(f"--port {port}: {error}; give another --port") from None


COMMANDS: Mapping[str, Callable[..., None]] = {"serve": serve, "dashboard": dashboard}
for _name, _command in COMMANDS.items():
    app.command(_name)(_command)
