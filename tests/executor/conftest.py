"""A real executor for each sandbox backend."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import docker
import grpc
import pytest
from prometheus_client import CollectorRegistry

from codearena import ArenaError
from codearena._status import error_from_call
from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.common.channel import MAX_MESSAGE_BYTES
from services.common.server import serving
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.protocol import READY
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings
from tests.conftest import KUBERNETES

T = TypeVar("T")
DOUBLE = "def double(x):\n    return 2 * x\n"


BACKENDS = (
    "process",
    pytest.param("docker", marks=pytest.mark.docker),
    *([pytest.param("kubernetes", marks=pytest.mark.kubernetes)] if KUBERNETES else []),
)


@pytest.fixture(scope="session", params=BACKENDS)
def backend_name(request: pytest.FixtureRequest) -> str:
    """The name of each backend in turn; docker's tests are skipped where no engine answers."""
    if request.param == "docker":
        request.getfixturevalue("docker_engine")
    return str(request.param)


on_process = pytest.mark.parametrize("backend_name", ["process"], indirect=True, scope="session")
"""For tests of what is the same code whatever the backend: one run proves it."""


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One data directory for all, so that the sandbox's root is built once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def probe_harness(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a stand-in harness that greets as the real one does, and runs whatever it is sent."""
    folder = tmp_path_factory.mktemp("probe")
    program = Path(__file__).parent / "docker_probe" / "__main__.py"
    (folder / "__main__.py").write_bytes(program.read_bytes())
    (folder / "greeting.py").write_text(f"READY = {READY!r}\n")
    return folder


@dataclass(frozen=True)
class Executor:
    """A client of a running executor, with the service beside it for what only its owner may see."""

    stub: Any
    service: ExecutorService
    registry: CollectorRegistry
    channel: grpc.aio.Channel

    def gauge(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)

    def all_free(self) -> bool:
        """Whether every slot is free, so that no sandbox is in use."""
        return self.gauge("codearena_executor_slots", state="busy") == 0

    def none_left(self) -> bool:
        """Whether no sandbox is in use or on its way out."""
        names = ("process", "docker", "kubernetes")
        sizes = [self.gauge("codearena_sandbox_pool_size", backend=name, state="leased") for name in names]
        return not any(sizes)

    async def grade(
        self, code: str, suite: wire.Suite | None = None, timeout: float = 60, *, fresh: bool = True, run_id: str = ""
    ) -> wire.ExecuteResponse:
        """Grades, in a sandbox of its own unless `fresh` is False."""
        request = wire.ExecuteRequest(code=code, suite=suite or double_suite(), fresh=fresh, run_id=run_id)
        return await self.stub.Execute(request, timeout=timeout)

    async def run(self, code: str, stdin: str = "") -> wire.ExecutorServiceRunCodeResponse:
        return await self.stub.RunCode(wire.ExecutorServiceRunCodeRequest(code=code, stdin=stdin), timeout=60)


@contextlib.asynccontextmanager
async def started(backend_name: str, data_dir: Path, **settings: Any) -> AsyncIterator[Executor]:
    """An executor of the test's own, while the block runs."""
    changes: dict[str, Any] = {"slots": 2, "warm": 1, "drain_seconds": 0, "sandbox_image_source": "host"} | settings
    chosen = ExecutorSettings(port=0, metrics_port=None, sandbox_backend=backend_name, data_dir=data_dir, **changes)
    registry = CollectorRegistry()
    service = ExecutorService(chosen, registry)
    options = [("grpc.max_send_message_length", 32 << 20), ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
    async with (
        serving(service, chosen, registry) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel,
    ):
        yield Executor(ExecutorServiceStub(channel), service, registry, channel)


@pytest.fixture(scope="session")
async def executor(backend_name: str, data_dir: Path) -> AsyncIterator[Executor]:
    async with started(backend_name, data_dir) as running:
        yield running


async def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    """Waits until the condition holds; the time is only a bound for a test that fails."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        await asyncio.sleep(0.02)


async def comes_true(ask: Callable[[], Awaitable[T]], seconds: float = 90) -> T:
    """Asks until the answer is true, and returns it; the time is only a bound for a test that fails."""
    deadline = time.monotonic() + seconds
    while True:
        if found := await ask():
            return found
        assert time.monotonic() < deadline, "it does not come true"
        await asyncio.sleep(0.2)


async def refused(call: Awaitable[Any]) -> ArenaError:
    """Returns how a call failed, as the SDK reads it."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return error_from_call(caught.value)


class Ahead:
    """Results of several gradings that run two at a time, ahead of the tests that look at them."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}
        self._room = asyncio.Semaphore(2)

    def begin(self, names: Iterable[str], work: Callable[[str], Awaitable[Any]]) -> None:
        async def one(name: str) -> Any:
            async with self._room:
                return await work(name)

        self._tasks = {name: asyncio.create_task(one(name)) for name in names}

    async def result(self, name: str) -> Any:
        return await self._tasks[name]

    async def end(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def chosen_names(request: pytest.FixtureRequest, parameter: str, backend_name: str) -> list[str]:
    """The values of a parameter in those tests that will run on this backend, in order."""
    chosen = []
    for item in request.session.items:
        values = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        if item.path == request.path and values.get("backend_name") == backend_name and parameter in values:
            chosen.append(values[parameter])
    return list(dict.fromkeys(chosen))


def double_suite(**limits: Any) -> wire.Suite:
    """A suite for `double(x)`: one visible case, two hidden ones."""
    suite = wire.Suite(
        cases=[
            wire.Case(name="two", call="double(2)", expected_literal="4"),
            wire.Case(name="text", call="double('ab')", expected_literal="'abab'", hidden=True),
            wire.Case(name="half", call="double(0.5)", expected_literal="1.0", hidden=True),
        ],
        reference_code=DOUBLE,
    )
    suite.limits.cpu_time.FromMilliseconds(int(limits.pop("cpu_seconds", 1.0) * 1000))
    suite.limits.wall_time.FromMilliseconds(int(limits.pop("wall_seconds", 3.0) * 1000))
    for name, value in limits.items():
        setattr(suite.limits, name, value)
    return suite


def outcome_name(value: int) -> str:
    return core.Outcome.Name(value).removeprefix("OUTCOME_")


async def pods_of(executor: Executor) -> list[str]:
    """The names of an executor's pods."""
    return await pods_with(f"codearena.executor={executor.service.chosen.backend.instance}")


async def pods_with(labels: str) -> list[str]:
    """The names of the pods that a label selector picks."""
    from services.executor.kubernetes_api import PodApi  # takes a second, and most runs have no cluster
    from services.executor.kubernetes_transport import ApiServer

    settings = KubernetesSettings()
    server = ApiServer(settings)
    await server.open()
    try:
        pods, _ = await PodApi(server, settings.kubernetes_namespace).list(labels)
    finally:
        await server.close()
    return [pod.name for pod in pods]


def our_containers(engine: docker.APIClient) -> list[str]:
    found = engine.containers(all=True, filters={"label": "codearena.role=sandbox"})
    return [container["Names"][0] for container in found]


def descendants(pid: int) -> list[tuple[int, str]]:
    """The processes below one, each with its command line."""
    found: list[tuple[int, str]] = []
    with contextlib.suppress(OSError):  # they come and go
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                found += [(child, Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")), *descendants(child)]
    return found


def launchers() -> set[int]:
    """The processes that launched a zygote for one of this process's executors."""
    return {pid for pid, command in descendants(os.getpid()) if "zygote launch" in command}
