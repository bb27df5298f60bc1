"""The server that the tests of this folder share, and a database of its own for each of them."""

import gc
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.services.postgres import PASSWORD, USER, WANTED, Postgres, find_programs

HERE = Path(__file__).parent
# A storage has no end that closes its connections: they close as they are forgotten.
FORGOTTEN = "ignore:.*psycopg.Connection.*was deleted while still open:ResourceWarning"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.services)
            item.add_marker(pytest.mark.filterwarnings(FORGOTTEN))


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Has each test's connections close while their warning is expected."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    programs = find_programs()
    if programs is None:
        pytest.skip(WANTED)
    made = Postgres(programs)
    try:
        made.start()
        yield made
    finally:
        made.remove()


@pytest.fixture
def postgres(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Postgres]:
    """Gives the server with an empty database `studies`, its password in the environment."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    where = {"host": "127.0.0.1", "port": server.port, "user": USER, "dbname": "postgres"}
    with psycopg.connect(**where, autocommit=True) as connection:  # type: ignore[arg-type]
        connection.execute("DROP DATABASE IF EXISTS studies WITH (FORCE)")
        connection.execute("CREATE DATABASE studies")
    yield server
    if server.process is None:
        server.start()
