"""The services as processes of their own, as an operator runs them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from codearena import ArenaClient, UnavailableError

ROOT = Path(__file__).parents[2]
NAMES = ("executor", "judge", "env")
START_SECONDS = 60.0


def plain_environment(**variables: str) -> dict[str, str]:
    """This process's environment without any setting of CodeArena's, and with these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CODEARENA_")}
    return kept | variables


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


@dataclass
class Processes:
    """Executor, judge and env, each `python -m services.NAME`, on free ports of loopback.

    Attributes:
        folder: Data directory and logs.
        running: Process by name.
        settings: Further variables of every service.
    """

    folder: Path
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ports = free_ports(2 * len(NAMES))
        self._ports = dict(zip(NAMES, ports[: len(NAMES)], strict=True))
        self._metrics_ports = dict(zip(NAMES, ports[len(NAMES) :], strict=True))

    def address(self, name: str) -> str:
        return f"127.0.0.1:{self._ports[name]}"

    def metrics_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self._metrics_ports[name]}/metrics"

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def start(self, name: str) -> None:
        """Starts a service, without waiting for it."""
        variables = {
            "CODEARENA_DATA_DIR": str(self.folder / "data"),
            "CODEARENA_SANDBOX_BACKEND": "process",
            "CODEARENA_EXECUTOR_SLOTS": "2",
            "CODEARENA_EXECUTOR_ADDRESS": self.address("executor"),
            "CODEARENA_JUDGE_ADDRESS": self.address("judge"),
        }
        for service in NAMES:
            variables[f"CODEARENA_{service.upper()}_PORT"] = str(self._ports[service])
            variables[f"CODEARENA_{service.upper()}_METRICS_PORT"] = str(self._metrics_ports[service])
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                [sys.executable, "-m", f"services.{name}"],
                cwd=ROOT,
                env=plain_environment(**variables, **self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self, name: str) -> None:
        """Returns when the service reports that it serves; fails if it ends or takes too long."""
        deadline = time.monotonic() + START_SECONDS
        with ArenaClient(self.address(name), max_attempts=1) as client:
            while True:
                assert self.running[name].poll() is None, self.log(name)
                assert time.monotonic() < deadline, self.log(name)
                with contextlib.suppress(UnavailableError):
                    if client.health(timeout_seconds=2) == "SERVING":
                        return
                time.sleep(0.05)

    def kill(self, name: str) -> None:
        """Ends a service as `kill -9` does."""
        self.running[name].kill()
        self.running[name].wait()


@contextlib.contextmanager
def processes(folder: Path, **settings: str) -> Iterator[Processes]:
    """Runs all three services while the block runs; kills what is then left of them."""
    services = Processes(folder, settings=settings)
    try:
        for name in NAMES:
            services.start(name)
        for name in NAMES:
            services.wait_ready(name)
        yield services
    finally:
        for name in services.running:
            services.kill(name)


def descendants(pid: int) -> set[tuple[int, str]]:
    """Pid and start time of every living process below one, at any depth."""
    parents: dict[int, list[tuple[int, str]]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append((int(stat.parent.name), fields[19]))
    found: set[tuple[int, str]] = set()
    below = [pid]
    while below:
        for child in parents.get(below.pop(), []):
            found.add(child)
            below.append(child[0])
    return found


def living(known: set[tuple[int, str]]) -> set[int]:
    """Which of these processes still live; zombies do not."""
    alive = set()
    for pid, started in known:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            if fields[19] == started and fields[0] not in "ZX":
                alive.add(pid)
    return alive
