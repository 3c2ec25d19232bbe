"""What is left of thousands of gradings in a row, and how much the executor grew.

Eight clients have distinct programs graded that are right, wrong, crash, print and do not compile, by an executor in a
process of its own. Everything is counted at rest: after a warm-up, after the gradings, and once the executor has
stopped. No verdict is kept, so that each program is run; a second table has an executor whose verdict cache is full.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc
from docker import APIClient
from docker.errors import DockerException
from docker.utils import kwargs_from_env

from benchmarks import workloads
from benchmarks.command import add_backends, each_backend, main_of
from benchmarks.figures import Figures
from benchmarks.processes import Running, descendants, resident_bytes, service
from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.executor.cgroups import NoCgroups, find_hierarchy

if TYPE_CHECKING:
    from codearena.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

_COUNTS = {"docker": 1_000, "process": 10_000}
_WARM_UP = 500
_CACHED = 4096
_CLIENTS = 8
_SLOTS = 2
_TIMEOUT_SECONDS, _REST_SECONDS, _LAST_SECONDS = 120.0, 60.0, 10.0
_TARGET_PERCENT = 5.0
_RIGHT, _SUITE = workloads.doubles()
_MIX: tuple[tuple[str, core.Outcome.ValueType], ...] = (
    (_RIGHT, core.OUTCOME_PASSED),
    ("def double(x):\n    return x\n", core.OUTCOME_TESTS_FAILED),
    (f"print('x' * 70000)\n{_RIGHT}", core.OUTCOME_PASSED),
    ("import os\ndef double(x):\n    os._exit(3)\n", core.OUTCOME_CRASHED),
    ("def double(x\n", core.OUTCOME_COMPILE_ERROR),
)


@dataclass(frozen=True, slots=True)
class Census:
    """What there is of an executor. Mounts are those of all mount namespaces that it or its processes are in."""

    containers: int
    processes: int
    descriptors: int
    mounts: int
    control_groups: int


def _census(pid: int, family: list[int]) -> Census:
    return Census(
        containers=containers_of(pid),
        processes=sum(Path(f"/proc/{member}").exists() for member in [pid, *family]),
        descriptors=_entries(Path(f"/proc/{pid}/fd")),
        mounts=sum(_mounts([pid, *family]).values()),
        control_groups=_cgroups(pid),
    )


def _last_census(pid: int, family: list[int]) -> Census:
    """Counts what is left of an executor that has ended, once the kernel has cleaned up after it."""
    deadline = time.monotonic() + _LAST_SECONDS
    while any(asdict(found := _census(pid, family)).values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


def containers_of(pid: int) -> int:
    """Returns how many containers there are of an executor, running or not; 0 without an engine."""
    try:
        with contextlib.closing(APIClient(version="auto", **kwargs_from_env())) as client:
            return len(client.containers(all=True, filters={"label": f"codearena.executor.pid={pid}"}))
    except DockerException:
        return 0


def _entries(folder: Path) -> int:
    try:
        return len(list(folder.iterdir()))
    except OSError:
        return 0


def _mounts(pids: list[int]) -> dict[str, int]:
    found: dict[str, int] = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            found[str(Path(f"/proc/{pid}/ns/mnt").readlink())] = len(
                Path(f"/proc/{pid}/mounts").read_text().split("\n")
            )
    return found


def _cgroups(pid: int) -> int:
    try:
        folders = set(find_hierarchy().folders.values())
    except NoCgroups:
        return 0
    return sum(len(list(folder.glob(f"codearena-{pid}-*"))) for folder in folders)


async def _grade(address: str, numbers: Iterator[int], count: int) -> None:
    async with grpc.aio.insecure_channel(address) as channel:
        stub = cast("ExecutorServiceAsyncStub", ExecutorServiceStub(channel))
        left = iter(range(count))

        async def client() -> None:
            for _ in left:
                number = next(numbers)
                code, outcome = _MIX[number % len(_MIX)]
                request = wire.ExecuteRequest(code=workloads.distinct(code, number), suite=_SUITE)
                response = await stub.Execute(request, timeout=_TIMEOUT_SECONDS)
                if response.outcome != outcome or response.cached:
                    raise SystemExit(f"not graded as it should be: {code!r}: {response}")

        await asyncio.gather(*(client() for _ in range(_CLIENTS)))


def _wait_for_rest(running: Running, backend: str) -> None:
    """Returns when nothing is in use and as much is ready as is to be."""
    wanted = {
        'codearena_executor_slots{state="busy"}': 0,
        f'codearena_sandbox_pool_size{{backend="{backend}",state="leased"}}': 0,
        f'codearena_sandbox_pool_size{{backend="{backend}",state="warming"}}': 0,
        f'codearena_sandbox_pool_size{{backend="{backend}",state="idle"}}': _SLOTS,
    }
    deadline = time.monotonic() + _REST_SECONDS
    while any(running.metric(line) != value for line, value in wanted.items()):
        if time.monotonic() > deadline:
            raise SystemExit("the executor does not come to rest")
        time.sleep(0.1)
    time.sleep(1.0)


def _measure(backend: str, count: int, cached: int) -> Figures:
    numbers = itertools.count()
    variables = {
        "CODEARENA_SANDBOX_BACKEND": backend,
        "CODEARENA_EXECUTOR_SLOTS": str(_SLOTS),
        "CODEARENA_EXECUTOR_WARM": str(_SLOTS),
        "CODEARENA_EXECUTOR_WARM_MAX": str(_SLOTS),
        "CODEARENA_EXECUTOR_VERDICT_CACHE_ENTRIES": str(cached),
    }
    with tempfile.TemporaryDirectory() as folder:
        with service("executor", Path(folder), variables) as running:
            seen: list[Census] = []
            memory: list[int] = []
            family: list[int] = []
            started = 0.0
            for gradings in (_WARM_UP + cached, count):
                started = time.perf_counter()
                asyncio.run(_grade(running.address, numbers, gradings))
                rate = gradings / (time.perf_counter() - started)
                _wait_for_rest(running, backend)
                family = descendants(running.pid)
                seen.append(_census(running.pid, family))
                memory.append(resident_bytes(running.pid))
        seen.append(_last_census(running.pid, family))
    return _figures(backend, count, cached, seen, memory, rate)


def _figures(backend: str, count: int, cached: int, seen: list[Census], memory: list[int], rate: float) -> Figures:
    warm, after, stopped = map(asdict, seen)
    rows = [
        (name.replace("_", " "), str(warm[name]), str(after[name]), str(after[name] - warm[name]), str(stopped[name]))
        for name in warm
    ]
    before, then = memory
    growth = 100 * (then - before) / before
    rows.append(("resident MiB", f"{before / 2**20:.1f}", f"{then / 2**20:.1f}", f"{growth:+.1f} %", ""))
    cache = f"verdict cache full with {cached}" if cached else "no verdict cache"
    columns = ("", "after a warm-up", f"after {count:,} more", "left", "executor stopped")
    note = f"{rate:.0f} gradings a second. Left: 0 of everything, and at most {_TARGET_PERCENT:g} % of memory."
    command = f".venv/bin/python -m benchmarks.endurance --backend {backend} --count {count}"
    return Figures(f"Endurance, backend {backend}, {cache}", command, columns, rows, note)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    parser.add_argument("--count", type=int, help="gradings in a row (default: 1,000 docker, 10,000 process)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table for each backend, and one with a full verdict cache."""

    def one(backend: str) -> Iterator[Figures]:
        count = arguments.count or _COUNTS[backend]
        yield _measure(backend, count, 0)
        if backend == "process":
            yield _measure(backend, count, _CACHED)

    return each_backend(arguments, one, "Endurance")


if __name__ == "__main__":
    main_of("endurance", __doc__, add_arguments, measure)
