"""Studies in PostgreSQL and behind Optuna's proxy: shared, killed, restarted, refused, shown."""

import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import optuna
import psycopg
import pytest

from experiments.addresses import parse_address
from experiments.storages import Owner, open_storage, open_study
from experiments.store import RunFolder
from search_spaces.errors import InputError
from tests.conftest import COMMAND, ROOT, TINY_SEARCH
from tests.services.postgres import PASSWORD, Postgres, free_port

QUOTED = "s3cret-of%3Athe%7Btest%7D"
SEARCH = ("search", *TINY_SEARCH, "--sampler", "random", "--device", "cpu", "--confirm", 0)
ASK = """
import sys
import optuna
from experiments.addresses import parse_address
from experiments.storages import open_storage
study = optuna.create_study(
    study_name="shared", storage=open_storage(parse_address(sys.argv[1])), load_if_exists=True
)
for _ in range(int(sys.argv[2])):
    trial = study.ask()
    study.tell(trial, trial.suggest_float("x", 0, 1))
"""


def started(*words: object) -> "subprocess.Popen[str]":
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*map(str, words)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def nas(*words: object) -> "subprocess.Popen[str]":
    return started(*COMMAND, *words)


def ended(process: "subprocess.Popen[str]") -> str:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return out


@pytest.fixture
def proxy(postgres: Postgres) -> Iterator[str]:
    """Serves the database by a proxy of its own, as `nas storage serve` does."""
    port = free_port()
    with nas("storage", "serve", postgres.url(), "--port", port) as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert f"grpc://127.0.0.1:{port}" in line, line
        yield f"grpc://127.0.0.1:{port}"
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert process.returncode == 0


def studies(address: str) -> list[optuna.Study]:
    storage = open_storage(parse_address(address))
    return [
        optuna.load_study(study_name=each.study_name, storage=storage)
        for each in storage.get_all_studies()
    ]


def listed(storage: optuna.storages.BaseStorage) -> list[str]:
    """Asks optuna-dashboard's own API for the names of studies."""
    dashboard = pytest.importorskip("optuna_dashboard")
    told: list[str] = []
    request = {
        **{"REQUEST_METHOD": "GET", "PATH_INFO": "/api/studies", "QUERY_STRING": ""},
        **{"SERVER_NAME": "test", "SERVER_PORT": "80", "wsgi.url_scheme": "http"},
        **{"wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()},
    }
    body = b"".join(dashboard.wsgi(storage)(request, lambda status, *_: told.append(status)))
    assert told == ["200 OK"], body
    return [each["study_name"] for each in json.loads(body)["study_summaries"]]


def test_a_killed_search_goes_on_from_the_database(postgres: Postgres, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    given = postgres.url(password=QUOTED)
    log = folder / "evaluations.jsonl"
    with nas(*SEARCH, "--out", folder, "--storage", given) as process:
        while not log.is_file():
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.01)
        process.kill()
    assert not (folder / "study.db").exists()
    assert PASSWORD not in (folder / "run.toml").read_text()
    assert QUOTED not in (folder / "run.toml").read_text()
    before = log.read_text()
    document = json.loads(ended(nas("search", "--resume", folder, "--json")))
    assert log.read_text().startswith(before)
    lines = log.read_text().splitlines()
    assert len(lines) == len({json.loads(line)["key"] for line in lines}) == 3
    assert document["best"]["reward"] > 0
    ended(nas("report", folder))
    (study,) = studies(postgres.url())
    run = RunFolder(folder).read().storage
    assert run is not None
    assert (study.study_name, run.address) == (f"{run.run}/search", postgres.url())
    assert study.user_attrs["run"] == run.run
    assert study.user_attrs["format"] == "compound-nas/study"
    assert [each.study_name for each in RunFolder(folder).searches()] == [study.study_name]
    assert listed(study._storage) == [study.study_name]


def test_a_search_goes_through_a_proxy(proxy: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    ended(nas(*SEARCH, "--trials", 2, "--out", folder, "--storage", proxy))
    again = nas(*SEARCH, "--trials", 3, "--out", folder, "--storage", proxy, "--json")
    document = json.loads(ended(again))
    assert document["best"]["reward"] > 0
    (study,) = studies(proxy)
    assert len([t for t in study.trials if t.state.name == "COMPLETE"]) >= 3
    assert listed(study._storage) == [study.study_name]


def test_two_processes_work_on_one_study(postgres: Postgres) -> None:
    words = [*COMMAND[:2], ASK, postgres.url(), "10"]
    both = [started(*words) for _ in range(2)]  # both make the tables of an empty database
    for process in both:
        ended(process)
    (study,) = studies(postgres.url())
    assert [trial.number for trial in study.trials] == list(range(20))
    assert {trial.state.name for trial in study.trials} == {"COMPLETE"}


def test_a_server_that_is_away_for_some_seconds_is_waited_for(postgres: Postgres) -> None:
    said: list[str] = []
    storage = open_storage(parse_address(postgres.url()), said.append)
    study = optuna.create_study(storage=storage, study_name="away")
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    postgres.kill()
    with ThreadPoolExecutor(1) as other:  # here the server is started again: it ends with a thread
        told = other.submit(study.tell, trial, 0.5)
        time.sleep(2)
        postgres.start()
        told.result()
    for _ in range(3):
        study.tell(study.ask(), 0.5)
    assert len(said) == 1
    assert "is away" in said[0]
    assert "waiting" in said[0]
    (again,) = studies(postgres.url())
    assert [t.state.name for t in again.trials if t.state.name != "RUNNING"] == ["COMPLETE"] * 4
    assert again.trials[0].params == trial.params


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("postgresql://nas:wrong@127.0.0.1:{port}/studies", "refused the user.*PGPASSWORD"),
        ("postgresql://nas@127.0.0.1:{port}/nothing", 'database "nothing" does not exist'),
        ("postgresql://nas@127.0.0.1:{free}/studies", "does not answer.*check that the server"),
        ("grpc://127.0.0.1:{port}", "does not answer within 8 s.*nas storage serve"),
    ],
)
def test_what_cannot_be_opened_says_why_in_time(
    postgres: Postgres, address: str, message: str
) -> None:
    where = parse_address(address.format(port=postgres.port, free=free_port()))
    start = time.monotonic()
    with pytest.raises(InputError, match=message) as refused:
        open_storage(where)
    assert time.monotonic() - start < 30  # 10 on a machine that does nothing else
    assert "wrong" not in str(refused.value).partition("refused")[0]
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"format": "another/project"}, "is not one of compound-nas"),
        ({"version": 99}, "version 99, newer than 1; update compound-nas"),
        ({"run": "other-1"}, "is of run other-1, not run-1"),
        ({"space": "fused"}, "is of space fused, not mixed"),
    ],
)
def test_a_study_of_others_is_refused(
    postgres: Postgres, attributes: dict[str, Any], message: str
) -> None:
    storage = open_storage(parse_address(postgres.url()))
    owner = Owner("run-1", "mixed")
    study = open_study(storage, "run-1/search", ["maximize"], owner, "here")
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    with pytest.raises(InputError, match=message):
        open_study(storage, "run-1/search", ["maximize"], owner, "here")


@pytest.mark.parametrize(
    ("schema", "message"),
    [("v999.0.0.a", "a newer Optuna made its tables"), ("v3.0.0.a", "optuna storage upgrade")],
)
def test_tables_of_another_optuna_are_refused(
    postgres: Postgres, schema: str, message: str
) -> None:
    open_storage(parse_address(postgres.url()))
    with psycopg.connect(postgres.url()) as connection:
        connection.execute("UPDATE alembic_version SET version_num = %s", [schema])
    with pytest.raises(InputError, match=message):
        open_storage(parse_address(postgres.url()))
