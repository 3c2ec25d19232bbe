"""How calls are sent, sync and async; the clients add the methods."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc

from codearena import _calls
from codearena._channel import DEFAULT_ADDRESS, MAX_ATTEMPTS, Connection, TLSConfig
from codearena._status import error_from_call
from codearena._tracing import trace_metadata

T = TypeVar("T")


class SyncTransport:
    """What the synchronous client sends calls with. For its arguments see `ArenaClient`."""

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        token: str | Callable[[], str | None] | None = None,
        tls: TLSConfig | None = None,
        timeout_seconds: float | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self._connection = Connection.build(
            address, token=token, tls=tls, timeout_seconds=timeout_seconds, max_attempts=max_attempts
        )
        self._channel = _open(self._connection)
        self._stubs = _calls.Stubs(self._channel)
        self._closed = False

    def close(self) -> None:
        """Closes the connection; calls in flight are cancelled. Closing twice is not an error."""
        self._closed = True
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _rpc(self, method: str, default_seconds: float, timeout_seconds: float | None) -> Callable[[Any], Any]:
        if self._closed:
            raise RuntimeError("the client is closed")
        deadline = self._connection.deadline(timeout_seconds, default_seconds)
        return partial(self._stubs.rpc(method), timeout=deadline, metadata=_metadata(self._connection))

    def _send(self, call: _calls.Call[T], timeout_seconds: float | None) -> T:
        try:
            response = self._rpc(call.method, call.timeout_seconds, timeout_seconds)(call.request)
        except grpc.RpcError as error:
            raise error_from_call(error) from error
        return call.decode(response)

    def _stream(self, call: _calls.Call[T], timeout_seconds: float | None) -> Iterator[T]:
        stream = self._rpc(call.method, call.timeout_seconds, timeout_seconds)(call.request)
        try:
            for response in stream:
                yield call.decode(response)
        except grpc.RpcError as error:
            raise error_from_call(error) from error
        finally:
            stream.cancel()

    def _pages(self, call: _calls.Call[_calls.Page[T]] | None, timeout_seconds: float | None) -> Iterator[T]:
        while call is not None:
            page = self._send(call, timeout_seconds)
            yield from page.items
            call = _calls.next_page(call, page)


class AsyncTransport:
    """What the asynchronous client sends calls with. For its arguments see `ArenaClient`."""

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        token: str | Callable[[], str | None] | None = None,
        tls: TLSConfig | None = None,
        timeout_seconds: float | None = None,
        max_attempts: int = MAX_ATTEMPTS,
    ) -> None:
        self._connection = Connection.build(
            address, token=token, tls=tls, timeout_seconds=timeout_seconds, max_attempts=max_attempts
        )
        self._channel: grpc.aio.Channel | None = None
        self._stubs: _calls.Stubs | None = None
        self._closed = False

    async def close(self) -> None:
        """Closes the connection; calls in flight are cancelled. Closing twice is not an error."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _rpc(self, method: str, default_seconds: float, timeout_seconds: float | None) -> Callable[..., Any]:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._stubs is None:  # not before a loop runs
            self._channel = _open_async(self._connection)
            self._stubs = _calls.Stubs(self._channel)
        deadline = self._connection.deadline(timeout_seconds, default_seconds)
        return partial(self._stubs.rpc(method), timeout=deadline, metadata=_metadata(self._connection))

    async def _send(self, call: _calls.Call[T], timeout_seconds: float | None) -> T:
        try:
            response = await self._rpc(call.method, call.timeout_seconds, timeout_seconds)(call.request)
        except grpc.RpcError as error:
            raise error_from_call(error) from error
        return call.decode(response)

    async def _stream(self, call: _calls.Call[T], timeout_seconds: float | None) -> AsyncIterator[T]:
        stream = self._rpc(call.method, call.timeout_seconds, timeout_seconds)(call.request)
        try:
            async for response in stream:
                yield call.decode(response)
        except grpc.RpcError as error:
            raise error_from_call(error) from error
        finally:
            stream.cancel()

    async def _pages(self, call: _calls.Call[_calls.Page[T]] | None, timeout_seconds: float | None) -> AsyncIterator[T]:
        while call is not None:
            page = await self._send(call, timeout_seconds)
            for item in page.items:
                yield item
            call = _calls.next_page(call, page)


def _metadata(connection: Connection) -> tuple[tuple[str, str], ...]:
    return (*connection.metadata, *trace_metadata())


def _open(connection: Connection) -> grpc.Channel:
    if connection.credentials is None:
        return grpc.insecure_channel(connection.address, connection.options)
    return grpc.secure_channel(connection.address, connection.credentials, connection.options)


def _open_async(connection: Connection) -> grpc.aio.Channel:
    if connection.credentials is None:
        return grpc.aio.insecure_channel(connection.address, connection.options)
    return grpc.aio.secure_channel(connection.address, connection.credentials, connection.options)
