"""Runs the gateway: one connection to the arena, one HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

import structlog
import uvicorn
from prometheus_client import CollectorRegistry

from services.common.access import Gate
from services.common.audit import Audit
from services.common.errors import StartError
from services.common.metrics import new_registry
from services.common.settings import PeerSettings, from_environment
from services.common.tls import peer_certificates
from services.common.tokens import Tokens
from services.gateway.app import make_app
from services.gateway.clients import ArenaClients
from services.gateway.link import ArenaLink
from services.gateway.operations import MetricsSource, UrlSource
from services.gateway.settings import GatewaySettings
from services.gateway.web_tls import WebTls

_KEEPALIVE_SECONDS = 75
_PING_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that is up.

    Attributes:
        port: Where it listens.
        url: Its address on this machine.
        registry: Its metrics.
    """

    port: int
    url: str
    registry: CollectorRegistry


class _Server(uvicorn.Server):
    """uvicorn without its own handling of signals: who runs the gateway says when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves them alone."""
        yield


@contextlib.asynccontextmanager
async def gateway(
    settings: GatewaySettings, sources: Mapping[str, MetricsSource] | None = None
) -> AsyncIterator[RunningGateway]:
    """Serves while the block runs, then lets running requests end.

    Args:
        settings: The settings.
        sources: Where the services' metrics are; None: at the addresses in the settings.

    Raises:
        StartError: The port is taken, or what is set for peers is wrong.
    """
    registry = new_registry()
    read = {name: UrlSource(url) for name, url in settings.metrics_urls.items()} if sources is None else sources
    listening = _listen(settings)
    audit = Audit("gateway", settings.audit_file)
    tokens = Tokens(settings.token, settings.tokens_file, audit)
    own = WebTls(settings, registry, audit)
    clients = ArenaClients(settings, peer_certificates(from_environment(PeerSettings), registry, audit))
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(clients.aclose)
        link = ArenaLink(clients, settings.resume_seconds)
        app, streams = make_app(settings, Gate(tokens, (), audit), link, registry, read)
        server = _Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="on",
                server_header=False,
                ssl_certfile=settings.tls_certificate_file,
                ssl_keyfile=settings.tls_key_file,
                ssl_ca_certs=None if settings.tls_client_ca_file is None else str(settings.tls_client_ca_file),
                ssl_cert_reqs=ssl.CERT_NONE if settings.tls_client_ca_file is None else ssl.CERT_REQUIRED,
                ws="websockets-sansio",
                ws_max_size=2 * settings.max_frame_bytes,
                ws_max_queue=8,
                ws_ping_interval=_PING_SECONDS,
                ws_ping_timeout=_PING_SECONDS,
                ws_per_message_deflate=False,
                timeout_keep_alive=_KEEPALIVE_SECONDS,
                timeout_graceful_shutdown=int(settings.grace_seconds),
                forwarded_allow_ips=settings.forwarded_allow_ips,
                h11_max_incomplete_event_size=64 * 1024,
            )
        )
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            while not server.started:
                if serving.done():
                    await serving
                    raise StartError("the HTTP server ended before it served")
                await asyncio.sleep(0.005)
            renewing = asyncio.create_task(own.renew(server.config.ssl))
            stack.push_async_callback(_cancelled, renewing)
            port = listening.getsockname()[1]
            audit.note("started", port=port, settings=settings.model_dump(mode="json", exclude_unset=True))
            structlog.get_logger("gateway").info("serving", host=settings.host, port=port)
            scheme = "http" if settings.tls_certificate_file is None else "https"
            yield RunningGateway(port, f"{scheme}://{_host(settings.host)}:{port}", registry)
        finally:
            streams.end()
            server.should_exit = True
            await serving
            await link.aclose()
            audit.note("stopped")


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _host(host: str) -> str:
    return "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host  # noqa: S104 - compared


def _listen(settings: GatewaySettings) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.port), family=family, backlog=2048)
    except OSError as error:
        raise StartError(
            f"the gateway cannot listen on {settings.host}:{settings.port} ({error.strerror}); "
            "set CODEARENA_GATEWAY_PORT to another port"
        ) from error
