"""Traces of what comes in over HTTP."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common import tracing

_UNTRACED = frozenset({"/health", "/metrics"})


class Traces:
    """ASGI middleware that records each request, in its caller's trace if it sent a `traceparent`.

    A WebSocket is no span, since it may be open for hours: what it asks is recorded by the arena, in the trace that the
    handshake named or else in one for each call.

    Args:
        app: What answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Records one request."""
        tracer = tracing.current()
        if tracer is None or scope["type"] not in ("http", "websocket") or scope["path"] in _UNTRACED:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            tracer.join(Headers(scope=scope))
            await self._app(scope, receive, send)
        else:
            await self._recorded(tracer, scope, receive, send)

    async def _recorded(self, tracer: tracing.Tracer, scope: Scope, receive: Receive, send: Send) -> None:
        method, status = scope["method"], 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        span = tracer.begin(method, Headers(scope=scope), {"http.request.method": method})
        try:
            await self._app(scope, receive, sent)
        finally:
            route = getattr(scope.get("route"), "path", "")
            attributes = {"http.route": route, "http.response.status_code": status}
            span.end(attributes, name=f"{method} {route}".rstrip(), failed=status >= 500)
