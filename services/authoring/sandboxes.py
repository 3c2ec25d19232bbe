"""Real sandboxes for the tools of task authors: an executor of their own, in this process."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from grpc.aio import insecure_channel
from prometheus_client import CollectorRegistry

from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.common.channel import MAX_MESSAGE_BYTES
from services.common.errors import StartError
from services.common.server import serving
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings

if TYPE_CHECKING:
    from codearena.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

_TIMEOUT_SECONDS = 300.0
_OPTIONS = [("grpc.max_receive_message_length", MAX_MESSAGE_BYTES), ("grpc.max_send_message_length", MAX_MESSAGE_BYTES)]


@dataclass(frozen=True, slots=True)
class Sandboxes:
    """Grades programs.

    Attributes:
        name: Of the sandbox backend.
        reason: Why it was chosen.
        slots: How many programs it runs at once.
    """

    name: str
    reason: str
    slots: int
    _stub: ExecutorServiceAsyncStub

    async def grade(self, code: str, suite: wire.Suite, *, fresh: bool = True) -> wire.ExecuteResponse:
        """Grades a program against a suite.

        Raises:
            AioRpcError: It was not graded; INVALID_ARGUMENT says that the suite is at fault.
        """
        request = wire.ExecuteRequest(code=code, suite=suite, fresh=fresh)
        return await self._stub.Execute(request, timeout=_TIMEOUT_SECONDS)


@asynccontextmanager
async def sandboxes() -> AsyncIterator[Sandboxes]:
    """Starts an executor and stops it.

    Where nothing says which sandboxes to take, process sandboxes are: a task is proven by hundreds of gradings, and a
    container for each would take ten times as long. What runs is the author's own code, and mutants of it.

    Raises:
        StartError: No sandbox can be had.
    """
    async with AsyncExitStack() as stack:
        if ExecutorSettings().sandbox_backend == "auto":
            try:
                found, isolated = await stack.enter_async_context(_started("process"))
            except StartError:
                isolated = False
            if not isolated:
                await stack.aclose()
                found, _ = await stack.enter_async_context(_started("auto"))
        else:
            found, _ = await stack.enter_async_context(_started(None))
        yield found


@asynccontextmanager
async def _started(backend: Literal["auto", "process"] | None) -> AsyncIterator[tuple[Sandboxes, bool]]:
    """Starts an executor on a backend, None for the one that is configured; tells whether it isolates.

    Where no data directory is configured, a temporary one is taken, and nothing is left behind.
    """
    with tempfile.TemporaryDirectory(prefix="codearena-tasks-") as folder:
        settings = ExecutorSettings(port=0, metrics_port=None, drain_seconds=0)
        if "data_dir" not in settings.model_fields_set:
            settings = settings.model_copy(update={"data_dir": Path(folder)})
        if backend is not None:
            settings = settings.model_copy(update={"sandbox_backend": backend})
        registry = CollectorRegistry()
        service = ExecutorService(settings, registry)
        async with (
            serving(service, settings, registry) as server,
            insecure_channel(f"127.0.0.1:{server.port}", options=_OPTIONS) as channel,
        ):
            stub = cast("ExecutorServiceAsyncStub", ExecutorServiceStub(channel))
            chosen = service.chosen
            yield Sandboxes(chosen.name, chosen.reason, settings.slots, stub), chosen.info.isolated
