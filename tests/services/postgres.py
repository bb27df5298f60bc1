"""A PostgreSQL server of its own for tests: found or installed, started in a temporary folder.

`python -m tests.services.postgres` makes sure that the programs are there.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

PROGRAMS = ("initdb", "postgres", "pg_isready")
USER, DATABASE, PASSWORD = "nas", "studies", "s3cret-of:the{test}"
WANTED = (
    "PostgreSQL's server programs are missing: install them (Debian, Ubuntu: "
    "`apt-get install postgresql`), or put the folder of initdb on PATH"
)


def _folders() -> list[Path]:
    """Lists where the programs may be, the newest version first."""
    found = [Path(each) for each in os.environ.get("PATH", "").split(os.pathsep) if each]
    if shutil.which("pg_config"):
        told = subprocess.run(
            ["pg_config", "--bindir"], check=False, capture_output=True, text=True
        )
        found.insert(0, Path(told.stdout.strip()))
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    return [*found, *sorted(versions, key=lambda each: -float(each.parent.name))]


def find_programs() -> Path | None:
    """Returns the folder of the server's programs, if there is one."""
    for folder in _folders():
        if all(os.access(folder / name, os.X_OK) for name in PROGRAMS):
            return folder
    return None


def install() -> Path | None:
    """Installs the programs where that may be, by apt-get; None: it may not, or failed."""
    if os.geteuid() or not shutil.which("apt-get"):
        return None
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-q"], ["install", "-q", "-y", "postgresql"]):
        subprocess.run(["apt-get", *words], check=False, env=environment, stdout=sys.stderr)
    return find_programs()


def free_port() -> int:
    """Returns a port of this machine that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Postgres:
    """Holds a server on 127.0.0.1 that ends with the thread that starts it, however that ends."""

    def __init__(self, programs: Path) -> None:
        self.programs, self.port = programs, free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="nas-postgres-"))
        self.process: subprocess.Popen[bytes] | None = None
        self.user = self._unprivileged()
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self._run(
            "initdb", "-D", self.data, "-U", USER, "-A", "scram-sha-256", "--pwfile", secret,
            "--no-sync", "--locale", "C", "-E", "UTF8",
        )  # fmt: skip

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @staticmethod
    def _unprivileged() -> pwd.struct_passwd | None:
        """Returns whom the server runs as where it would refuse this user: root."""
        if os.geteuid():
            return None
        names = {each.pw_name: each for each in pwd.getpwall()}
        return names.get("postgres") or names["nobody"]

    def _words(self, program: str, *words: object) -> list[str]:
        """Returns a command that ends when this process does, and runs as the server's user."""
        ending = ["setpriv", "--pdeathsig", "QUIT"]
        if self.user:
            name, group = self.user.pw_name, str(self.user.pw_gid)
            ending += ["--reuid", name, "--regid", group, "--clear-groups"]
        return [*ending, str(self.programs / program), *map(str, words)]

    def check(self, database: str = DATABASE) -> None:
        """Holds the tables and indices of a database to being whole."""
        words = ("-h", "127.0.0.1", "-p", self.port, "-U", USER, "--install-missing", database)
        subprocess.run(
            [str(self.programs / "pg_amcheck"), *map(str, words)],
            check=True, env={**os.environ, "PGPASSWORD": PASSWORD},
        )  # fmt: skip

    def _run(self, program: str, *words: object) -> None:
        done = subprocess.run(
            self._words(program, *words), check=False, capture_output=True, cwd=self.folder
        )
        assert done.returncode == 0, done.stderr.decode()

    def url(self, database: str = DATABASE, *, password: str | None = None) -> str:
        """Returns the address of a database, by default without a password."""
        secret = f":{password}" if password else ""
        return f"postgresql://{USER}{secret}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Starts the server, and returns when it answers."""
        settings = {"listen_addresses": "127.0.0.1", "fsync": "off", "shared_buffers": "64MB"}
        self.process = subprocess.Popen(
            self._words(
                "postgres", "-D", self.data, "-p", self.port, "-k", self.folder,
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=self.folder,
        )  # fmt: skip
        asked = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        for _ in range(600):
            if subprocess.run(asked, check=False).returncode == 0:
                return
            assert self.process.poll() is None, "the server ended while it started"
            time.sleep(0.1)
        raise AssertionError("the server does not answer after a minute")

    def kill(self) -> None:
        """Kills the server and all of its processes, as a crash would."""
        if self.process is None:
            return
        whole = psutil.Process(self.process.pid)
        for each in (whole, *whole.children(recursive=True)):
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        self.process.wait(30)
        self.process = None

    def remove(self) -> None:
        """Stops the server and removes its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


if __name__ == "__main__":
    if find_programs() is None and install() is None:
        sys.exit(WANTED)
