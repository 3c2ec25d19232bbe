"""A whole arena with its gateway, as a process of its own, and gateways with other settings in front of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.e2e.processes import ROOT, plain_environment

START_SECONDS = 120.0
RIGHT = "def average_list(numbers):\n    return sum(numbers) / len(numbers) if numbers else 0.0\n"
WRONG = "def average_list(numbers):\n    return 1\n"


@dataclass(frozen=True)
class Served:
    """A gateway that is up.

    Attributes:
        url: Its address.
        address: gRPC target of the arena behind it.
        pid: Its process.
        log: What it writes.
    """

    url: str
    address: str
    pid: int
    log: Path

    @property
    def ws(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"

    def http(self, **keywords: Any) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, timeout=60, trust_env=False, **keywords)


@contextlib.contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until_served(process: subprocess.Popen[bytes], ready: Callable[[], Any], log: Path) -> Any:
    deadline = time.monotonic() + START_SECONDS
    while not (found := ready()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def dashboard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stand-in for the built dashboard: a page with an asset."""
    folder = tmp_path_factory.mktemp("dashboard")
    (folder / "assets").mkdir()
    (folder / "assets" / "index-abc.js").write_text("export {}\n")
    (folder / "index.html").write_text(
        "<!doctype html><title>CodeArena</title><script src=/assets/index-abc.js></script>"
    )
    return folder


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory, arena_data: Path, dashboard: Path) -> Iterator[Served]:
    """`python -m services.standalone` with a gateway, on free ports."""
    folder = tmp_path_factory.mktemp("gateway")
    ready, log = folder / "ready.json", folder / "log"
    settings = plain_environment(
        CODEARENA_SANDBOX_BACKEND="process",
        CODEARENA_EXECUTOR_SLOTS="2",
        CODEARENA_DATA_DIR=str(arena_data),
        CODEARENA_DATABASE_URL=f"sqlite:///{folder / 'codearena.sqlite3'}",
        CODEARENA_DASHBOARD=str(dashboard),
        CODEARENA_REQUESTS_PER_SECOND="0",
    )
    command = [
        sys.executable,
        "-m",
        "services.standalone",
        "--port",
        "0",
        "--http-port",
        "0",
        "--ready-file",
        str(ready),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=settings, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    with _ended(process):
        _until_served(process, ready.exists, log)
        said = json.loads(ready.read_text())
        yield Served(said["url"], said["address"], process.pid, log)


@contextlib.contextmanager
def running_gateway(served: Served, folder: Path, **settings: str) -> Iterator[Served]:
    """A gateway in a process of its own, by default to the arena that all share."""
    port = free_port()
    log = folder / f"gateway-{port}.log"
    variables = {
        "CODEARENA_ENV_ADDRESS": served.address,
        "CODEARENA_GATEWAY_PORT": str(port),
        "CODEARENA_DRAIN_SECONDS": "0",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.gateway"],
            cwd=ROOT,
            env=plain_environment(**variables | settings),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    with _ended(process):
        running = Served(f"http://127.0.0.1:{port}", served.address, process.pid, log)
        _until_served(process, lambda: is_healthy(running.url), log)
        yield running


@pytest.fixture
def gateway(served: Served, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts gateways of a test's own."""
    with contextlib.ExitStack() as stack:
        yield lambda **settings: stack.enter_context(running_gateway(served, tmp_path, **settings))


def is_healthy(url: str) -> bool:
    with contextlib.suppress(httpx2.HTTPError):
        return httpx2.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
