"""The services as processes of their own, so that what each one uses can be told apart."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codearena import ArenaClient, UnavailableError
from services.common.errors import StartError

_ROOT = Path(__file__).parents[1]
_START_SECONDS, _STOP_SECONDS = 300.0, 60.0
_PAUSE_SECONDS = 0.05


def plain_environment() -> dict[str, str]:
    """Returns this process's environment without any setting of CodeArena's."""
    return {name: value for name, value in os.environ.items() if not name.startswith("CODEARENA_")}


@dataclass(frozen=True, slots=True)
class Running:
    """A service that serves.

    Attributes:
        pid: Its process.
        address: Its gRPC target.
        metrics_url: Where its metrics are.
    """

    pid: int
    address: str
    metrics_url: str

    def metric(self, line: str) -> float:
        """Returns a sample by its name and labels as the page writes them. Raises KeyError if there is none."""
        with urllib.request.urlopen(self.metrics_url, timeout=10) as page:
            text = page.read().decode()
        for sample in text.splitlines():
            name, _, value = sample.rpartition(" ")
            if name == line:
                return float(value)
        raise KeyError(line)


class ServiceProcess:
    """`python -m services.NAME` on free ports, which it keeps when it is started again.

    Args:
        name: "env", "executor" or "judge".
        folder: Data directory, and where its log goes.
        variables: Its settings. Those of the caller's environment do not count.
        host: Where it listens.
        prefix: A command that replaces itself by the one it is given, to run the service in other surroundings.
        port: Its gRPC port; 0 takes a free one of loopback.
    """

    def __init__(
        self,
        name: str,
        folder: Path,
        variables: Mapping[str, str],
        *,
        host: str = "127.0.0.1",
        prefix: Sequence[str] = (),
        port: int = 0,
    ) -> None:
        self.name = name
        self._host, self._prefix = host, prefix
        self._port, self._metrics_port = _free_ports(2)
        self._port = port or self._port
        own = {
            "CODEARENA_HOST": host,
            "CODEARENA_DATA_DIR": str(folder),
            "CODEARENA_DRAIN_SECONDS": "0",
            f"CODEARENA_{name.upper()}_PORT": str(self._port),
            f"CODEARENA_{name.upper()}_METRICS_PORT": str(self._metrics_port),
        }
        self._environment = {**plain_environment(), **own, **variables}
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Its gRPC target."""
        return f"{self._host}:{self._port}"

    def start(self) -> None:
        """Starts it and does not wait."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", f"services.{self.name}"],
                cwd=_ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def wait_ready(self) -> Running:
        """Waits until it serves. Raises StartError if it ends before or takes too long, with the end of its log."""
        assert self._process is not None, "start() comes first"
        running = Running(self._process.pid, self.address, f"http://{self._host}:{self._metrics_port}/metrics")
        _wait_ready(self._process, running, self._log)
        return running

    def kill(self) -> None:
        """Ends it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """Ends it as an operator would and returns its exit status. Idempotent."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        return _end(process)


@contextlib.contextmanager
def service(name: str, folder: Path, variables: Mapping[str, str], prefix: Sequence[str] = ()) -> Iterator[Running]:
    """Runs a service while the block runs; see `ServiceProcess`.

    Raises:
        StartError: It does not start.
    """
    process = ServiceProcess(name, folder, variables, prefix=prefix)
    process.start()
    try:
        yield process.wait_ready()
    finally:
        process.stop()


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def _wait_ready(process: subprocess.Popen[bytes], running: Running, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    with ArenaClient(running.address, max_attempts=1) as client:
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(UnavailableError):
                if client.health(timeout_seconds=5) == "SERVING":
                    return
            time.sleep(_PAUSE_SECONDS)
    raise StartError(f"it does not serve: {log.read_text(encoding='utf-8', errors='replace')[-500:]}")


def _end(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def descendants(pid: int) -> list[int]:
    """Returns the processes below one, at any depth."""
    found: list[int] = []
    with contextlib.suppress(OSError):  # they come and go
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [child, *descendants(child)]
    return found


def resident_bytes(pid: int) -> int:
    """Returns the resident memory of a process; 0 if it is gone."""
    return _kilobytes(Path(f"/proc/{pid}/status"), "VmRSS:") * 1024


def proportional_bytes(pid: int) -> int:
    """Returns the memory of a process in which each shared page counts in part; 0 if it is gone or not ours to see."""
    return _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") * 1024


def _kilobytes(file: Path, label: str) -> int:
    with contextlib.suppress(OSError):
        for line in file.read_text().splitlines():
            if line.startswith(label):
                return int(line.split()[1])
    return 0


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process so far, all threads and not its children.

    The clock's number is made as the kernel's include/linux/posix-timers_types.h makes it.
    """
    return time.clock_gettime((~pid << 3) | 2)


def tree_cpu_seconds(pid: int) -> float:
    """Returns the CPU time of a process, of those below it, and of those below it that have ended."""
    return sum(map(_cpu_with_ended, [pid, *descendants(pid)]))


def _cpu_with_ended(pid: int) -> float:
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def descriptors(pid: int) -> int:
    """Returns how many files a process has open; 0 if it is gone."""
    with contextlib.suppress(OSError):
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return 0
