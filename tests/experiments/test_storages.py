"""Addresses, studies in files, and what waits, gathers and reads in bulk between."""

import math
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.exceptions import StorageInternalError
from optuna.storages import InMemoryStorage, RDBStorage
from optuna.trial import TrialState, create_trial
from sqlalchemy.exc import OperationalError

from experiments import patience
from experiments.addresses import parse_address, without_password
from experiments.patience import patient
from experiments.storages import Owner, file_database, file_storage, new_run_id, open_study
from search_spaces.errors import InputError, RunError

X: BaseDistribution = CategoricalDistribution((1, 2))


@pytest.mark.parametrize(
    ("text", "url", "password"),
    [
        ("postgresql://me:a%40b@host:5432/db", "postgresql://me@host:5432/db", "a@b"),
        ("postgres://me@host/db?sslmode=require", "postgresql://me@host/db?sslmode=require", None),
        ("postgresql://host/db?password=s3cret", "postgresql://host/db", "s3cret"),
        ("grpc://host:1234", "grpc://host:1234", None),
        ("sqlite:////data/studies.db", "sqlite:////data/studies.db", None),
    ],
)
def test_an_address_is_read_and_its_password_set_apart(
    text: str, url: str, password: str | None
) -> None:
    address = parse_address(text)
    assert (address.url, address.password) == (url, password)
    assert password is None or password not in f"{address} {address!r}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("redis://host", "redis:// is no storage; postgresql://"),
        ("study.db", "no storage is addressed so"),
        ("postgresql://me:secret@host", "it names no database"),
        ("postgresql://me:secret@host:port/db", "Port could not be cast"),
        ("grpc://", "it names no host"),
        ("sqlite:///", "it names no file"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        parse_address(text)
    assert "secret" not in str(refused.value)


def test_no_text_tells_a_password() -> None:
    told = "nas search --storage postgresql://me:p:w@host/db?password=x --out run"
    assert (
        without_password(told) == "nas search --storage postgresql://me@host/db?password= --out run"
    )
    assert (
        without_password("grpc://host:13000 and 12:30 me@host")
        == "grpc://host:13000 and 12:30 me@host"
    )


def mixed_study(storage: optuna.storages.BaseStorage) -> optuna.Study:
    """Makes a study of every kind of parameter, state and value that a database keeps."""
    study = optuna.create_study(storage=storage, study_name="mixed", directions=["maximize"] * 2)
    spaces: dict[str, Any] = {
        "c": CategoricalDistribution((None, "x", 1.5)),
        "f": FloatDistribution(1e-9, 1.0, log=True),
        "i": IntDistribution(0, 10),
        "a": CategoricalDistribution((True, False)),
    }
    for number in range(5):
        params = {
            "c": (None, "x", 1.5)[number % 3],
            "f": 0.1 / (number + 3),
            "i": number,
            "a": True,
        }
        study.add_trial(
            create_trial(
                params=params, distributions=spaces, values=[math.inf, 0.1 * number],
                user_attrs={"text": 'a "quoted", text\nµ', "costs": {"macs": 3}, "none": None},
                intermediate_values={1: 0.5, 3: -math.inf},
            )
        )  # fmt: skip
    trial = study.ask({"other": FloatDistribution(0, 1)})
    storage.set_trial_system_attr(trial._trial_id, "kept", [1, 2])
    study.tell(study.ask(), state=TrialState.FAIL)
    return study


def test_bulk_reading_reads_what_optuna_reads(tmp_path: Path) -> None:
    database = file_database(tmp_path / "study.db")
    study = mixed_study(database)
    optuna.create_study(storage=database, study_name="empty")
    key = study._study_id
    theirs = RDBStorage._get_trials(database, key, None, set(), -1)
    ours = database._get_trials(key, None, set(), -1)
    assert ours == theirs
    assert [list(t.params) for t in ours] == [list(t.params) for t in theirs]
    assert [list(t.user_attrs) for t in ours] == [list(t.user_attrs) for t in theirs]
    later = (key, (TrialState.COMPLETE, TrialState.RUNNING), {2, 4}, 3)
    assert database._get_trials(*later) == RDBStorage._get_trials(database, *later)
    assert database._get_trials(key + 1, None, set(), -1) == []
    with pytest.raises(KeyError):
        database._get_trials(key + 2, None, set(), -1)


def test_gathered_parameters_are_there_once_anything_else_is_done(tmp_path: Path) -> None:
    path, space = tmp_path / "study.db", {"x": X}
    storage = file_storage(path, gather=True)
    study = optuna.create_study(storage=storage, study_name="s")
    study.tell(study.ask(space), 0.5)  # the first shows the study each distribution
    trial = study.ask(space)
    with sqlite3.connect(path) as other:
        count = "SELECT count(*) FROM trial_params"
        assert other.execute(count).fetchone() == (1,)
        trial.set_user_attr("name", "it")
        assert other.execute(count).fetchone() == (2,)
    other.close()
    study.tell(trial, 0.6)
    again = optuna.load_study(storage=file_storage(path), study_name="s")
    assert [t.params for t in again.trials] == [t.params for t in study.trials]
    with pytest.raises(ValueError, match="does not support dynamic value space"):
        study.ask({"x": CategoricalDistribution((1, 2, 3))})


class Failing(InMemoryStorage):
    """Fails some times before it works, as a server that is started again."""

    def __init__(self, error: str, times: int) -> None:
        super().__init__()
        self.error, self.times = error, times

    def get_all_studies(self) -> Any:
        if self.times > 0:
            self.times -= 1
            error = OperationalError("SELECT", {}, sqlite3.OperationalError(self.error))
            raise StorageInternalError("told of no cause") from error
        return super().get_all_studies()


def test_a_trial_that_was_queued_elsewhere_is_the_next(tmp_path: Path) -> None:
    storage = file_storage(tmp_path / "study.db", gather=True)
    study = optuna.create_study(storage=storage, study_name="s")
    study.tell(study.ask({"x": X}), 1.0)
    elsewhere = optuna.load_study(
        storage=RDBStorage(f"sqlite:///{tmp_path / 'study.db'}"), study_name="s"
    )
    for value in (2, 1, 2):
        elsewhere.enqueue_trial({"x": value})
    assert [study.ask({"x": X}).params["x"] for _ in range(3)] == [2, 1, 2]
    assert study.ask({"x": X}).number == 4
    assert [trial.state for trial in study.trials[1:]] == [TrialState.RUNNING] * 4


def test_a_storage_that_is_away_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.patience.time.sleep", lambda _: None)
    said: list[str] = []
    assert patient(Failing("database is locked", 3), "here", said.append).get_all_studies() == []
    assert said == ["storage here is away (database is locked); waiting for it"]


def test_waiting_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.patience.time.sleep", lambda _: None)
    monkeypatch.setattr(patience, "LONGEST", -1.0)
    storage = patient(Failing("database is locked", 10**9), "here", lambda _: None)
    with pytest.raises(RunError, match="storage here failed: database is locked; what had"):
        storage.get_all_studies()


def test_a_fault_that_no_waiting_mends_is_told_at_once() -> None:
    said: list[str] = []
    storage = patient(Failing("database or disk is full", 1), "here", said.append)
    with pytest.raises(RunError, match="here failed: database or disk is full"):
        storage.get_all_studies()
    assert said == []


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "study.db"
    path.write_text("not a database, but long enough to be read as the head of one" * 20)
    with pytest.raises(InputError, match="cannot be used: file is not a database"):
        file_storage(path)


def test_a_study_says_whose_it_is(tmp_path: Path) -> None:
    storage, mine = file_storage(tmp_path / "study.db"), Owner(None, "mixed")
    study = open_study(storage, "search", ["maximize"], mine, "here")
    assert study.user_attrs == {"format": "compound-nas/study", "version": 1, "space": "mixed"}
    with pytest.raises(InputError, match="here: study search is of space mixed, not fused"):
        open_study(storage, "search", ["maximize"], Owner(None, "fused"), "here")
    older = optuna.create_study(storage=storage, study_name="older", direction="maximize")
    older.add_trial(create_trial(value=0.5))
    assert open_study(storage, "older", ["maximize"], mine, "here").user_attrs == {}
    with pytest.raises(InputError, match="study older is not one of compound-nas"):
        open_study(storage, "older", ["maximize"], Owner("run-1", "mixed"), "here")


def test_a_run_is_named_after_its_folder_and_as_no_other(tmp_path: Path) -> None:
    names = {new_run_id(tmp_path / "my run ☃") for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("my-run-") and " " not in name for name in names)
