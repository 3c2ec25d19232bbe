"""Streams of requests that outlive their server: they end early, so that clients go on with another one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import StatusError, unavailable


class Draining:
    """Whether a server has been told to end."""

    def __init__(self) -> None:
        self._begun = asyncio.Event()

    def begin(self) -> None:
        """Ends every stream of requests: what was read is answered, and no more is read."""
        self._begun.set()

    def requests(self, raw: AsyncIterator[bytes]) -> Requests:
        """Returns a stream of requests that ends when draining begins."""
        return Requests(raw, self._begun)


class Requests:
    """The requests of one stream.

    Attributes:
        cut: Whether they ended because the server does.
    """

    def __init__(self, raw: AsyncIterator[bytes], begun: asyncio.Event) -> None:
        self._raw = raw
        self._begun = begun
        self.cut = False

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        begun = asyncio.ensure_future(self._begun.wait())
        reading: asyncio.Future[bytes] | None = None
        try:
            while not begun.done():
                reading = asyncio.ensure_future(anext(self._raw))
                await asyncio.wait({reading, begun}, return_when=asyncio.FIRST_COMPLETED)
                if not reading.done():
                    break
                try:
                    request = reading.result()
                except StopAsyncIteration:
                    return
                yield request
            self.cut = True
        finally:
            for future in (begun, reading):
                if future is not None:
                    future.cancel()


def cut_short() -> StatusError:
    """Returns the status of a stream that ended because its server does."""
    return unavailable(reasons.ERROR_REASON_SHUTTING_DOWN, "the service is shutting down; go on with another replica")
