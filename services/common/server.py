"""The server of one service: health, reflection, metrics, drain."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Sequence
from importlib import metadata
from typing import Any, Protocol

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer
from grpc_reflection.v1alpha import reflection
from prometheus_client import CollectorRegistry

from services.common import tracing_interceptor
from services.common.access import Gate
from services.common.audit import Audit
from services.common.channel import MAX_MESSAGE_BYTES
from services.common.draining import Draining
from services.common.interceptor import BoundaryInterceptor
from services.common.logs import trace_of
from services.common.metrics import MetricsEndpoint, RpcMetrics, build_info
from services.common.settings import ServiceSettings
from services.common.tls import ServerTls, server_tls
from services.common.tokens import Tokens

LIVENESS = "liveness"
_CHECK_SECONDS = 2.0
# With SO_REUSEPORT a second service would get half of the connections instead of an error.
_OWN_PORT = (("grpc.so_reuseport", 0),)


class Service(Protocol):
    """What a server serves."""

    @property
    def name(self) -> str:
        """Short name for logs and metrics, e.g. "env"."""
        ...

    @property
    def descriptor(self) -> ServiceDescriptor:
        """The service of the contract."""
        ...

    def register(self, server: grpc.aio.Server) -> None:
        """Adds its handlers to the server."""
        ...

    async def start(self) -> None:
        """Gets ready to answer. Raises if it cannot."""
        ...

    async def check(self) -> bool:
        """Returns whether it can do its work now; bounded in time. Readiness, never liveness."""
        ...

    async def stop(self) -> None:
        """Releases everything. Called after the last RPC has ended."""
        ...


class RunningServer:
    """A server that is up.

    Attributes:
        port: The gRPC port.
        metrics_port: The port of `/metrics`, or None.
        health_port: The port of health alone, or None.
    """

    def __init__(self, service: Service, settings: ServiceSettings, registry: CollectorRegistry) -> None:
        self._service = service
        self._settings = settings
        self._health = HealthServicer()
        self._health_server: grpc.aio.Server | None = None
        self._log = structlog.get_logger(service.name)
        metrics = RpcMetrics(registry)
        metrics.declare(service.descriptor.full_name, (m.name for m in service.descriptor.methods))
        build_info(registry, service.name, metadata.version("codearena-rl"))
        self._audit = Audit(service.name, settings.audit_file)
        self._tls = server_tls(settings, registry, self._audit)
        self._tokens = Tokens(settings.token, settings.tokens_file, self._audit)
        gate = Gate(self._tokens, settings.tls_allowed_clients, self._audit)
        self._draining = Draining()
        self._server = grpc.aio.server(
            interceptors=[*tracing_interceptor.interceptors(), BoundaryInterceptor(metrics, gate, self._draining)],
            options=_server_options(settings),
        )
        self._registry = registry
        self._endpoint: MetricsEndpoint | None = None
        self._checker: asyncio.Task[None] | None = None
        self.port = 0
        self.metrics_port: int | None = None
        self.health_port: int | None = None

    async def start(self) -> None:
        """Starts the service, then listens."""
        await self._service.start()
        self._service.register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if self._settings.reflection:
            names = (
                self._service.descriptor.full_name,
                health_pb2.DESCRIPTOR.services_by_name["Health"].full_name,
            )
            reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), self._server)
        await self._health.set(LIVENESS, health_pb2.HealthCheckResponse.SERVING)
        await self._publish(await self._ready())
        self.port = _bind(self._server, self._settings.host, self._settings.port, self._tls)
        await self._server.start()
        if self._settings.health_port is not None:
            await self._serve_health(self._settings.health_port)
        if self._settings.metrics_port is not None:
            host = self._settings.metrics_host or self._settings.host
            self._endpoint = MetricsEndpoint(self._registry, host, self._settings.metrics_port)
            self.metrics_port = self._endpoint.port
        self._checker = asyncio.create_task(self._watch())
        self._log.info("serving", host=self._settings.host, port=self.port, metrics_port=self.metrics_port)
        self._audit.note("started", port=self.port, settings=self._settings.model_dump(mode="json", exclude_unset=True))

    async def _serve_health(self, port: int) -> None:
        self._health_server = grpc.aio.server(options=_OWN_PORT)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._health_server)
        self.health_port = _bind(self._health_server, self._settings.host, port, None)
        await self._health_server.start()

    async def stop(self) -> None:
        """Drains: reports not-serving, waits, lets running calls end and ends streams, releases everything."""
        if self._checker is not None:
            self._checker.cancel()
            await asyncio.gather(self._checker, return_exceptions=True)
        await self._publish(False)
        await asyncio.sleep(self._settings.drain_seconds)
        stopping = asyncio.create_task(self._server.stop(self._settings.grace_seconds))
        await asyncio.sleep(0)  # new calls are refused before streams end: who opens one again finds another replica
        self._draining.begin()
        await stopping
        await self._service.stop()
        if self._endpoint is not None:
            await asyncio.to_thread(self._endpoint.close)
        if self._health_server is not None:
            await self._health_server.stop(None)
        self._log.info("stopped")
        self._audit.note("stopped")

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_CHECK_SECONDS)
            self._tokens.look()
            if self._tls is not None:
                self._tls.look()
            await self._publish(await self._ready())

    async def _ready(self) -> bool:
        try:
            return await self._service.check()
        except Exception as error:  # noqa: BLE001  a check that breaks is no reason to go on as if it had passed
            self._log.error("the check failed", trace=trace_of(error))
            return False

    async def _publish(self, ready: bool) -> None:
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", self._service.descriptor.full_name):
            await self._health.set(name, status)


@contextlib.asynccontextmanager
async def serving(
    service: Service, settings: ServiceSettings, registry: CollectorRegistry
) -> AsyncIterator[RunningServer]:
    """Serves while the block runs, then drains, also when starting failed half way.

    Raises:
        OSError: The port is taken.
    """
    server = RunningServer(service, settings, registry)
    try:
        await server.start()
        yield server
    finally:
        await asyncio.shield(server.stop())


async def until_terminated() -> None:
    """Returns at the first SIGTERM or SIGINT. A second one ends the process at once."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)


async def serve_forever(services: Sequence[tuple[Service, ServiceSettings, CollectorRegistry]]) -> None:
    """Serves until the process is told to end; starts in the order given, stops in reverse."""
    async with contextlib.AsyncExitStack() as stack:
        for service, settings, registry in services:
            await stack.enter_async_context(serving(service, settings, registry))
        gc.collect()
        gc.freeze()  # what is there once they serve stays: the garbage collector need not look at it again
        await until_terminated()


def _server_options(settings: ServiceSettings) -> list[tuple[str, Any]]:
    options: list[tuple[str, Any]] = [
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        *_OWN_PORT,
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    ]
    if settings.max_connection_age_seconds is not None:
        options.append(("grpc.max_connection_age_ms", settings.max_connection_age_seconds * 1000))
        options.append(("grpc.max_connection_age_grace_ms", int(settings.grace_seconds * 1000)))
    return options


def _bind(server: grpc.aio.Server, host: str, port: int, tls: ServerTls | None) -> int:
    address = f"{host}:{port}"
    try:
        if tls is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, tls.credentials())
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: is another service there? ({error})") from error
