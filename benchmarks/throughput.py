"""Graded fixes a second, by backend and number of clients.

Distinct fixes of one task with eight cheap tests, so that what is measured is the cost of a grading and not of a
program. Beside them in the same run: bare subprocesses on the same tests, `docker run --rm`, and the engine's own
ceiling, which is creating, starting and removing a container that is made as ours are.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import grpc
from prometheus_client import CollectorRegistry

from benchmarks import baselines, workloads
from benchmarks.command import add_backends, each_backend, main_of
from benchmarks.figures import Figures
from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.common.server import serving
from services.executor.docker_backend import DockerBackend
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings

if TYPE_CHECKING:
    from codearena.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

_CLIENTS = (1, 2, 4, 8, 16)
_COUNTS = {"docker": 120, "process": 1200}
_WARM_UP = 3
_SETTLE_SECONDS = 2.0
_TIMEOUT_SECONDS = 120.0


@asynccontextmanager
async def executor(
    backend: str, data_dir: Path, registry: CollectorRegistry | None = None
) -> AsyncIterator[tuple[ExecutorServiceAsyncStub, ExecutorService]]:
    """Yields a client of an executor with the settings that it has by default, and the executor."""
    registry = registry or CollectorRegistry()
    settings = ExecutorSettings.model_validate(
        {"port": 0, "metrics_port": None, "sandbox_backend": backend, "data_dir": data_dir, "drain_seconds": 0}
    )
    service = ExecutorService(settings, registry)
    async with (
        serving(service, settings, registry) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield cast("ExecutorServiceAsyncStub", ExecutorServiceStub(channel)), service


async def graded_rate(stub: ExecutorServiceAsyncStub, numbers: Iterator[int], count: int, clients: int) -> float:
    """Returns how many fixes a second are graded for `clients` of which each waits for its answer.

    What is measured is the steady state: the pool has grown to the demand before the clock starts.
    """
    await _grade(stub, numbers, _WARM_UP * clients, clients)
    started = time.perf_counter()
    await _grade(stub, numbers, count, clients)
    return count / (time.perf_counter() - started)


async def _grade(stub: ExecutorServiceAsyncStub, numbers: Iterator[int], count: int, clients: int) -> None:
    code, suite = workloads.doubles()
    left = iter(range(count))

    async def client() -> None:
        for _ in left:
            request = wire.ExecuteRequest(code=workloads.distinct(code, next(numbers)), suite=suite)
            response = await stub.Execute(request, timeout=_TIMEOUT_SECONDS)
            if response.outcome != core.OUTCOME_PASSED or response.cached:
                raise SystemExit(f"not graded as it should be: {response}")

    await asyncio.gather(*(client() for _ in range(clients)))


class _Beside:
    """The baselines of one run, the best of each kept."""

    def __init__(self, service: ExecutorService, data_dir: Path, stack: ExitStack) -> None:
        file = data_dir / "fix.py"
        file.write_text(workloads.plain_file(*workloads.doubles()), encoding="utf-8")
        self.best: dict[str, float] = {}
        self._actions: list[tuple[str, Callable[[], object], int]] = [
            ("bare", lambda: baselines.bare(file), threads) for threads in (2, 8)
        ]
        backend = service.chosen.backend
        if isinstance(backend, DockerBackend) and backend.image is not None:
            image = backend.image.tag
            cycle = stack.enter_context(baselines.engine_cycle(image, data_dir))
            self._actions += [("ceiling", cycle, threads) for threads in (2, 4, 8)]
            self._actions.append(("docker run", lambda: baselines.docker_run(image, file), 2))

    async def measure(self, count: int) -> None:
        """Measures each once, at each number of threads."""
        for name, action, threads in self._actions:
            await asyncio.sleep(_SETTLE_SECONDS)
            found = await asyncio.to_thread(baselines.rate, action, count, threads)
            self.best[name] = max(found, self.best.get(name, 0.0))


async def _measure(backend: str, count: int, rounds: int, clients: Sequence[int]) -> Figures:
    numbers = itertools.count()
    best: dict[int, float] = dict.fromkeys(clients, 0.0)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        async with executor(backend, Path(folder)) as (stub, service):
            await graded_rate(stub, numbers, 2, 1)
            beside = _Beside(service, Path(folder), stack)
            for _ in range(rounds):
                await beside.measure(min(count, 120))
                for number in clients:
                    await asyncio.sleep(_SETTLE_SECONDS)
                    best[number] = max(best[number], await graded_rate(stub, numbers, count, number))
    return _figures(backend, best, beside.best)


def _figures(backend: str, rates: dict[int, float], beside: dict[str, float]) -> Figures:
    columns = ["", "a second", *(f"÷ {name}" for name in beside)]
    rows = [
        (f"{number} clients", f"{found:.1f}", *(f"{found / other:.2f}" for other in beside.values()))
        for number, found in rates.items()
    ]
    rows += [
        (name, f"{other:.1f}", *(f"{other / base:.2f}" for base in beside.values())) for name, other in beside.items()
    ]
    note = "The best of several rounds; baselines at the number of threads that suits them best."
    command = f".venv/bin/python -m benchmarks.throughput --backend {backend}"
    return Figures(f"Throughput, backend {backend}", command, columns, rows, note)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of everything (default 3)")
    parser.add_argument("--count", type=int, help="gradings in each measurement (default: 120 docker, 1200 process)")
    parser.add_argument("--clients", type=int, action="append", help="only this number of clients (default: 1 to 16)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table for each backend."""

    def one(backend: str) -> Iterator[Figures]:
        count = arguments.count or _COUNTS[backend]
        yield asyncio.run(_measure(backend, count, arguments.rounds, arguments.clients or _CLIENTS))

    return each_backend(arguments, one, "Throughput")


if __name__ == "__main__":
    main_of("throughput", __doc__, add_arguments, measure)
