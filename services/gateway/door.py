"""The door: who may come in, how much, how often, and what a browser is told of it. Pure ASGI, before any handler."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.common.access import Gate, bearer
from services.common.errors import StatusError
from services.common.rates import Bucket
from services.common.scopes import Scope as TokenScope
from services.gateway.caller import caller_token
from services.gateway.errors import Problem, failure, of_refusal, of_status
from services.gateway.pages import is_page

_MOST_CLIENTS = 10_000
_DISCARDED, _DISCARD_SECONDS = 8, 5.0
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Rates:
    """Token buckets, one for each client; the clients that were seen last are remembered.

    Args:
        per_second: What a bucket gains; 0 for no limit.
        burst: What it holds.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, client: str) -> float:
        """Takes one token; returns 0.0, or in how many seconds there will be one."""
        if not self._per_second:
            return 0.0
        bucket = self._buckets.setdefault(client, Bucket(self._per_second, self._burst))
        self._buckets.move_to_end(client)
        wait = bucket.take(time.monotonic())
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return wait


class TooLarge(Exception):
    """A body is longer than it may be."""


class _Body:
    """The body of one request, as far as it may go.

    Attributes:
        too_large: Whether it went further.
        ended: Whether its last piece was read.
    """

    def __init__(self, receive: Receive, most_bytes: int) -> None:
        self._receive = receive
        self._left = most_bytes
        self.too_large = False
        self.ended = False

    async def read(self) -> Message:
        """Returns the next piece. Raises TooLarge."""
        message = await self._receive()
        self._left -= len(message.get("body", b""))
        self.ended = not message.get("more_body")
        if self._left < 0:
            self.too_large = True
            raise TooLarge
        return message


class Door:
    """ASGI middleware: token, origin, rate, size, and headers for browsers.

    Args:
        app: What is behind it.
        gate: Says whose tokens are good. Health, and the files of the page, need none.
        origins: Further origins whose pages may call.
        rates: How often a client may.
        max_body_bytes: Largest body.
    """

    def __init__(self, app: ASGIApp, *, gate: Gate, origins: Sequence[str], rates: Rates, max_body_bytes: int) -> None:
        self._app = app
        self._gate = gate
        self._origins = frozenset(origins)
        self._rates = rates
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request or connection."""
        if scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        refused = self._refused(scope, headers)
        if refused is not None:
            await self._discard(receive)
            await refused(scope, receive, _with_headers(send))
            return
        body = _Body(receive, self._max_body_bytes)
        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if body.too_large and not begun:
                return  # whoever read the body makes something of the exception; what it is, is said below
            begun = True
            await _with_headers(send)(message)

        try:
            await self._app(scope, body.read, answer)
        except TooLarge:
            if begun:
                raise
        if body.too_large and not begun:
            if not body.ended:
                await self._discard(receive)
            await self._too_large()(scope, receive, _with_headers(send))

    async def _discard(self, receive: Receive) -> None:
        """Reads what a refused client still sends, within bounds: cut off while it sends, it would read no answer."""
        left = _DISCARDED * self._max_body_bytes
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISCARD_SECONDS):
                while left > 0:
                    message = await receive()
                    left -= len(message.get("body", b""))
                    if not message.get("more_body"):
                        return

    def _refused(self, scope: Scope, headers: Headers) -> Response | None:
        """Returns the answer for a request that does not come in."""
        path, method = scope["path"], scope["method"]
        if path == "/health":
            return None
        wait = self._rates.take(_client(scope))
        if wait:
            problem = Problem(code="RESOURCE_EXHAUSTED", message="too many requests", retry_after_seconds=wait)
            return failure(429, problem)
        page = method in _READING and is_page(path)
        preflight = method == "OPTIONS" and "access-control-request-method" in headers
        if not page and not preflight and (stranger := self._stranger(scope, headers)):
            return stranger
        if method not in _READING and not self._same_site(headers):
            return of_status(403, "this page may not call the gateway; see CODEARENA_CORS_ORIGINS")
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdecimal()) or int(length[:20]) > self._max_body_bytes:
            return self._too_large()
        return None

    def _too_large(self) -> Response:
        return of_status(413, f"the body is longer than {self._max_body_bytes} bytes", {"Connection": "close"})

    def _stranger(self, scope: Scope, headers: Headers) -> Response | None:
        """Returns the answer for who has no good token. The arena will be sent that of who has one of its own."""
        sent = headers.get("authorization", "")
        try:
            token = self._gate.authorize(scope["path"], TokenScope.READ, (("authorization", sent),), _client(scope))
        except StatusError as error:
            return of_refusal(error)
        caller_token.set(bearer(sent) if self._gate.is_of_one_client(token) else None)
        return None

    def _same_site(self, headers: Headers) -> bool:
        """Whether a request comes from a page of ours, of an origin that is allowed, or from no browser at all."""
        origin = headers.get("origin")
        return origin is None or origin in self._origins or origin.partition("://")[2] == headers.get("host")

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        client = _client(scope)
        if stranger := self._stranger(scope, headers):
            await _deny(scope, receive, send, stranger)
        elif not self._same_site(headers):
            await _deny(scope, receive, send, of_status(403, "this page may not call the gateway"))
        elif wait := self._rates.take(client):
            problem = Problem(code="RESOURCE_EXHAUSTED", message="too many requests", retry_after_seconds=wait)
            await _deny(scope, receive, send, failure(429, problem))
        else:
            await self._app(scope, self._paced(client, receive), send)

    def _paced(self, client: str, receive: Receive) -> Receive:
        """Reads messages no faster than the client may send them: it is slowed down, not refused."""

        async def paced() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                wait = self._rates.take(client)
                while wait:  # another connection of the client may be quicker
                    await asyncio.sleep(wait)
                    wait = self._rates.take(client)
            return message

        return paced


async def _deny(scope: Scope, receive: Receive, send: Send, response: Response) -> None:
    """Refuses the handshake with a status, where the server can say one."""
    if "websocket.http.response" in scope.get("extensions", {}):
        await response(scope, receive, send)
    else:
        await receive()
        await send({"type": "websocket.close", "code": 1008})


def _client(scope: Scope) -> str:
    client = scope.get("client")
    return client[0] if client else ""


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent
