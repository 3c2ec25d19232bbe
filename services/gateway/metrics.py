"""The gateway's own metrics."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common import tracing
from services.common.metrics import LATENCY_BUCKETS

_KINDS = {2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
_OTHER = "other"


class GatewayMetrics:
    """ASGI middleware that counts requests by route and answer, and exports the sessions.

    Args:
        app: What answers.
        registry: Where the metrics go.
        sessions: Returns how many WebSocket sessions there are.
        routes: The paths of all routes.
    """

    def __init__(
        self, app: ASGIApp, registry: CollectorRegistry, sessions: Callable[[], int], routes: Iterable[str]
    ) -> None:
        self._app = app
        self._requests = Counter(
            "codearena_gateway_requests",
            "HTTP requests, by route and kind of answer.",
            ("route", "status"),
            registry=registry,
        )
        self._seconds = Histogram(
            "codearena_gateway_request_seconds",
            "Time to the end of the answer.",
            ("route",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self._messages = Counter(
            "codearena_gateway_messages", "WebSocket messages, by way.", ("way",), registry=registry
        )
        for way in ("received", "sent"):
            self._messages.labels(way)
        for route in (*routes, _OTHER):
            self._seconds.labels(route)
            for kind in _KINDS.values():
                self._requests.labels(route, kind)
        gauge = Gauge("codearena_gateway_sessions", "WebSocket sessions.", registry=registry)
        gauge.set_function(sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts one request, or the messages of one connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = "5xx"

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = _KINDS[message["status"] // 100]
            await send(message)

        try:
            await self._app(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", _OTHER)
            self._requests.labels(route, status).inc()
            self._seconds.labels(route).observe(time.perf_counter() - started, tracing.exemplar())

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                self._messages.labels("received").inc()
            return message

        async def sent(message: Message) -> None:
            if message["type"] == "websocket.send":
                self._messages.labels("sent").inc()
            await send(message)

        await self._app(scope, received, sent)
