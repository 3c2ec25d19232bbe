"""A real Redis for tests, in memory and on loopback."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path


def program() -> str | None:
    """Where redis-server is; None if it is nowhere."""
    return shutil.which("redis-server")


@contextlib.contextmanager
def running(folder: Path) -> Iterator[str]:
    """The URL of a server that runs while the block does; `program()` must have found it."""
    found = program()
    assert found is not None
    port = free_port()
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
    with (folder / "log").open("wb") as log, subprocess.Popen([found, *options], stdout=log, stderr=log) as server:
        try:
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
