import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-c", "from cli import main; main()")


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps every test, and every process that one starts, out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("NAS_CACHE_LIMIT", raising=False)
        yield


@pytest.fixture
def nas(tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Runs the command in a process of its own, in an empty folder."""

    def run(*words: object) -> "subprocess.CompletedProcess[str]":
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [*COMMAND, *map(str, words)],
            cwd=tmp_path,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )

    return run


@dataclass(frozen=True)
class Outcome:
    """Holds what a command left: exit status, stdout and stderr."""

    status: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Reads stdout as exactly one strict JSON document."""

        def refuse(name: str) -> None:
            raise AssertionError(f"{name} is not JSON")

        return json.loads(self.out, parse_constant=refuse)


Caller = Callable[..., Outcome]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Caller:
    """Runs the command's own `main` in this process, in an empty folder."""
    import cli

    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> Outcome:
        monkeypatch.setattr("sys.argv", ["nas", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Outcome(ended.value.code, captured.out, captured.err)

    return run


TINY_SEARCH = (
    *("--data", "digits", "--limit", 200, "--target-macs", "2M"),
    *("--trials", 3, "--search-epochs", 1, "--confirm", 1),
)
TINY_RUN = (
    *TINY_SEARCH,
    *("--candidates", 2, "--grid-epochs", 1, "--epochs", 2, "--phi", "0:1", "--seeds", 2),
)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> "tuple[Path, str]":
    """Does the whole job once at its smallest; returns the folder and what `--json` printed."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    words = [*COMMAND, "run", *map(str, TINY_RUN), "--out", str(folder), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@pytest.fixture
def run_folder(finished_run: "tuple[Path, str]", tmp_path: Path) -> Path:
    """Gives a copy of a finished run, to change at will."""
    return Path(shutil.copytree(finished_run[0], tmp_path / "copy"))
