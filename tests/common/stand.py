"""A service whose handlers a test writes, behind the real server."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from prometheus_client import CollectorRegistry

from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import env_service_pb2_grpc
from services.common.server import RunningServer, serving
from services.common.settings import ServiceSettings

Answer = Callable[[Any], Awaitable[Any]]
FULL_NAME = "codearena.v1.EnvService"


async def listing(request: Any) -> wire.ListTasksResponse:
    """The answer unless a test gives another one."""
    return wire.ListTasksResponse(total_count=7)


class Stand(env_service_pb2_grpc.EnvServiceServicer):
    """Implements `services.common.server.Service` with two RPCs of the contract, one unary and one streaming."""

    name = "env"
    descriptor: ServiceDescriptor = wire.DESCRIPTOR.services_by_name["EnvService"]

    def __init__(self) -> None:
        self.answer: Answer = listing
        self.items: Callable[[Any], AsyncIterator[Any]] | None = None
        self.ready: Callable[[], bool] = lambda: True
        self.events: list[str] = []

    async def ListTasks(self, request: Any, context: Any) -> Any:  # noqa: N802
        return await self.answer(request)

    async def GradeGroup(self, request: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        assert self.items is not None
        async for item in self.items(request):
            yield item

    def register(self, server: grpc.aio.Server) -> None:
        env_service_pb2_grpc.add_EnvServiceServicer_to_server(self, server)

    async def start(self) -> None:
        self.events.append("start")

    async def check(self) -> bool:
        return self.ready()

    async def stop(self) -> None:
        self.events.append("stop")


@dataclass
class Served:
    """A stand that is served, and a channel to it."""

    stand: Stand
    server: RunningServer
    channel: grpc.aio.Channel
    registry: CollectorRegistry
    stub: Any = field(init=False)

    def __post_init__(self) -> None:
        self.stub = env_service_pb2_grpc.EnvServiceStub(self.channel)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    def handled(self, method: str, code: str) -> float:
        """How many calls of a method ended with a code."""
        labels = {"grpc_service": FULL_NAME, "grpc_method": method, "grpc_code": code}
        return self.registry.get_sample_value("grpc_server_handled_total", labels) or 0.0


@contextlib.asynccontextmanager
async def served(stand: Stand | None = None, **settings: Any) -> AsyncIterator[Served]:
    """Serves a stand on a free port of loopback while the block runs."""
    stand = stand or Stand()
    registry = CollectorRegistry()
    values = {"host": "127.0.0.1", "port": 0, "drain_seconds": 0, "grace_seconds": 5, "token": None}
    async with (
        serving(stand, ServiceSettings(**values | settings), registry) as server,
        grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        yield Served(stand, server, channel, registry)
