"""A real PostgreSQL server for tests, from whatever package is installed."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

_START_SECONDS = 30.0
_TRIES = 3
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin")


def programs() -> Path | None:
    """Where initdb and postgres are; None if they are nowhere."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted((path for place in _PLACES for path in Path("/").glob(place[1:])), reverse=True)
    return next((path for path in found if (path / "postgres").exists() and (path / "initdb").exists()), None)


class PostgreSQL:
    """A server with data in a folder of its own.

    Args:
        programs: Where its programs are.
        folder: Where its data go; empty.
    """

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._data = folder / "data"
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count()
        self._user = None
        if os.getuid() == 0:  # it refuses to run as root
            self._user = "postgres"
            shutil.chown(folder, self._user)
            for parent in folder.parents[:3]:
                parent.chmod(parent.stat().st_mode | 0o011)
        self.port = _free_port()
        self._make_data()

    def start(self) -> None:
        """Starts it and waits until it answers."""
        options = ("fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories=", f"port={self.port}")
        command = [
            self._programs / "postgres",
            "-D",
            self._data,
            *(word for option in options for word in ("-c", option)),
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, cwd="/")
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(self._address("postgres"), connect_timeout=1).close()
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, self._log.read_text(errors="replace")
                assert time.monotonic() < deadline, "PostgreSQL does not answer"
                time.sleep(0.05)

    def stop(self) -> None:
        """Stops it at once, as a crash would. Idempotent."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: immediate shutdown
            self._process.wait(30)
            self._process = None

    def new_database(self) -> str:
        """Makes an empty database and returns its URL."""
        name = f"arena_{next(self._numbers)}"
        with contextlib.closing(psycopg.connect(self._address("postgres"), autocommit=True)) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
        return f"postgresql://{self._address(name).removeprefix('postgresql://')}"

    def _address(self, database: str) -> str:
        return f"postgresql://arena@127.0.0.1:{self.port}/{database}"

    def _make_data(self) -> None:
        """Makes the data folder. Tries again where initdb dies of a signal, as it may on virtual machines."""
        options = ("--username", "arena", "--auth", "trust", "--no-sync")
        for left in reversed(range(_TRIES)):
            made = subprocess.run(
                [self._programs / "initdb", "--pgdata", self._data, *options],
                capture_output=True,
                user=self._user,
                cwd="/",
                check=False,
            )
            if made.returncode == 0:
                return
            assert made.returncode < 0, made.stderr.decode()
            assert left, f"initdb dies of signal {-made.returncode}"
            shutil.rmtree(self._data, ignore_errors=True)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[PostgreSQL]:
    """A server that runs while the block does; `programs()` must have found it."""
    found = programs()
    assert found is not None
    server = PostgreSQL(found, folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
