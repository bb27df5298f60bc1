"""SIGKILL, again and again at random moments, to the server that keeps a search's study."""

import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.faults.driver import (
    MOMENTS,
    Driver,
    assert_whole,
    moments,
    search_words,
    until,
    until_trained,
)
from tests.services.postgres import DATABASE, PASSWORD, USER, WANTED, Postgres, find_programs

pytestmark = pytest.mark.slow

AWAY = 5.0  # seconds until the server is started again


@pytest.fixture
def server() -> Iterator[Postgres]:
    programs = find_programs()
    if programs is None:
        pytest.skip(WANTED)
    made = Postgres(programs)
    try:
        made.start()
        where = {"host": "127.0.0.1", "port": made.port, "user": USER, "password": PASSWORD}
        with psycopg.connect(**where, dbname="postgres", autocommit=True) as connection:  # type: ignore[arg-type]
            connection.execute(f"CREATE DATABASE {DATABASE}")
        yield made
    finally:
        made.remove()


def test_the_server_of_the_study(
    tmp_path: Path, server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kills PostgreSQL's processes and starts it 5 seconds later: the search waits for it."""
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    words = search_words(MOMENTS * 3, "--storage", server.url())
    driver = Driver(tmp_path / "run", words)
    with driver.running() as process:
        for number, pause in enumerate(moments(10, 0.0, 1.0)):
            until_trained(driver, 1 + 2 * number, process)
            time.sleep(pause)
            server.kill()
            time.sleep(AWAY)
            server.start()
        until(lambda: process.poll() is not None, lambda: "it goes on")
        assert process.stderr is not None
        assert process.returncode == 0, process.stderr.read().decode()
    url = server.url().replace("postgresql://", "postgresql+psycopg://")
    assert_whole(driver.folder, MOMENTS * 3, storage=url)
    server.check()
    driver.assert_nothing_left()
