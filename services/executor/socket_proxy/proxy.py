"""Passes calls to an engine, one a connection, and a container's streams as they flow."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import h11
import structlog

from services.executor.socket_proxy.calls import Call, Calls, Refused

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_CHUNK_BYTES = 64 * 1024
_HEAD_BYTES = 16 * 1024
_BODY_BYTES = 64 * 1024
_REQUEST_SECONDS = 10.0
_UPGRADE = [("Connection", "Upgrade"), ("Upgrade", "tcp")]
_PASSED_HEADERS = (b"content-type", b"content-length", b"transfer-encoding", b"api-version")


class Unusable(Exception):
    """The request is none, or more than any call needs; or the engine does not answer.

    Attributes:
        status: HTTP status to answer with.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class SocketProxy:
    """A server on a Unix socket that lets through what `Calls` allows.

    Args:
        calls: What is let through.
        engine: Opens a connection to the engine; may raise OSError.
        answer_seconds: Bounds a call, but for a container's streams, which last as long as it does.
        connections: How many there may be at a time.
    """

    def __init__(
        self, calls: Calls, engine: Callable[[], Awaitable[Streams]], *, answer_seconds: float, connections: int
    ) -> None:
        self._calls = calls
        self._engine = engine
        self._answer_seconds = answer_seconds
        self._most = connections
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._log = structlog.get_logger("socket-proxy")

    async def start(self, path: Path) -> None:
        """Listens at a path, in the place of a proxy that was there before. Raises OSError."""
        self._server = await asyncio.start_unix_server(self._accept, sock=_bound(path), limit=_CHUNK_BYTES)

    async def stop(self) -> None:
        """Ends every connection, and with it the sandboxes that are fed over one."""
        if self._server is not None:
            self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        client = _Peer(h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES), reader, writer)
        try:
            await self._answer(client)
        except (OSError, h11.ProtocolError, TimeoutError, asyncio.CancelledError) as error:
            # Somebody left in the middle; there is nobody to tell.
            self._log.debug("a connection ended early", why=repr(error))
            writer.transport.abort()
        finally:
            self._open.discard(task)
            writer.close()

    async def _answer(self, client: _Peer) -> None:
        try:
            async with asyncio.timeout(_REQUEST_SECONDS):
                request, body = await client.request()
            if len(self._open) > self._most:
                raise Unusable(503, f"there are {self._most} connections already")
            call = self._calls.allow(request.method.decode(), request.target.decode("latin-1"), body)
            await self._forward(call, client)
        except Refused as refusal:
            self._log.warning("refused", call=str(refusal))
            await client.say(403, f"refused by the proxy before the engine: {refusal}")
        except Unusable as error:
            self._log.warning("not passed on", why=str(error))
            await client.say(error.status, str(error))

    async def _forward(self, call: Call, client: _Peer) -> None:
        try:
            reader, writer = await self._engine()
        except OSError as error:
            raise Unusable(502, f"the engine does not answer: {error}") from error
        engine = _Peer(h11.Connection(h11.CLIENT), reader, writer)
        try:
            async with asyncio.timeout(self._answer_seconds):
                switched = await _exchange(call, client, engine)
            if switched:
                await _join(client, engine)
        except TimeoutError as error:
            if client.answered:
                raise
            raise Unusable(504, f"the engine did not answer within {self._answer_seconds:g} s") from error
        finally:
            writer.transport.abort()


def _bound(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    bound.bind(str(path))
    path.chmod(0o600)  # before anybody can connect
    return bound


async def _exchange(call: Call, client: _Peer, engine: _Peer) -> bool:
    """Sends a call and passes the answer on. True if the connections are now a container's streams."""
    headers = [("Host", "docker"), ("Content-Length", str(len(call.body)))]
    headers += _UPGRADE if call.streams else [("Connection", "close")]
    if call.body:
        headers.append(("Content-Type", "application/json"))
    await engine.send(h11.Request(method=call.method, target=call.target, headers=headers))
    if call.body:
        await engine.send(h11.Data(data=call.body))
    await engine.send(h11.EndOfMessage())
    while True:
        event = await engine.event()
        if isinstance(event, h11.InformationalResponse) and event.status_code == 101 and call.streams:
            await client.send(h11.InformationalResponse(status_code=101, headers=_UPGRADE))
            return True
        if isinstance(event, h11.Response):
            kept: list[tuple[bytes, bytes]] = [(b"connection", b"close")]
            kept += [(name, value) for name, value in event.headers if name in _PASSED_HEADERS]
            await client.send(h11.Response(status_code=event.status_code, headers=kept))
        elif isinstance(event, h11.Data):
            await client.send(h11.Data(data=event.data))
        elif isinstance(event, h11.EndOfMessage):
            await client.send(h11.EndOfMessage())
            return False
        elif isinstance(event, h11.ConnectionClosed):
            raise Unusable(502, "the engine closed the connection without an answer")


async def _join(client: _Peer, engine: _Peer) -> None:
    """Passes bytes both ways until both sides have ended; the end of one side is passed on too."""
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(client.copy_to(engine))
            both.create_task(engine.copy_to(client))
    except* OSError:
        pass  # one side is gone, and so the other one goes too


class _Peer:
    """One side of a call: its connection and where in the protocol it is.

    Attributes:
        answered: Whether it was sent an answer, or the beginning of one.
    """

    def __init__(self, state: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.answered = False
        self._state = state
        self._reader = reader
        self._writer = writer

    async def event(self) -> h11.Event:
        """Returns what came next. Raises OSError and h11.RemoteProtocolError."""
        while True:
            event = self._state.next_event()
            if isinstance(event, h11.Event):
                return event
            if event is h11.PAUSED:
                raise ConnectionError("the other side changed the protocol")
            self._state.receive_data(await self._reader.read(_CHUNK_BYTES))

    async def request(self) -> tuple[h11.Request, bytes]:
        """Returns a request with its body. Raises Unusable and OSError."""
        body = b""
        try:
            request = await self.event()
            if not isinstance(request, h11.Request):
                raise ConnectionError("no request came")
            while isinstance(data := await self.event(), h11.Data):
                body += data.data
                if len(body) > _BODY_BYTES:
                    raise Unusable(413, f"a body may have {_BODY_BYTES} bytes")
        except h11.RemoteProtocolError as error:
            raise Unusable(error.error_status_hint, f"not HTTP: {error}") from error
        return request, body

    async def send(self, event: h11.Event) -> None:
        """Sends a part of a message."""
        self.answered |= isinstance(event, h11.Response | h11.InformationalResponse)
        self._writer.write(self._state.send(event) or b"")
        await self._writer.drain()

    async def say(self, status: int, message: str) -> None:
        """Answers as an engine does that refuses."""
        body = json.dumps({"message": message}).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body))), ("Connection", "close")]
        await self.send(h11.Response(status_code=status, headers=headers))
        await self.send(h11.Data(data=body))
        await self.send(h11.EndOfMessage())

    async def copy_to(self, other: _Peer) -> None:
        """Passes on, unread, what comes after the messages, to its end."""
        data, _ = self._state.trailing_data
        data = data or await self._reader.read(_CHUNK_BYTES)
        while data:
            other._writer.write(data)
            await other._writer.drain()
            data = await self._reader.read(_CHUNK_BYTES)
        other._writer.write_eof()
