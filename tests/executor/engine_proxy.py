"""A way to the Docker engine that can be cut, to see what happens when an engine goes away and comes back."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from urllib.parse import urlsplit


class EngineProxy:
    """Passes connections on a Unix socket to the engine, until it is told to stop.

    Attributes:
        address: What a client connects to.
    """

    def __init__(self, folder: Path, engine: str) -> None:
        self._path = folder / "engine.sock"
        self._engine = urlsplit(engine)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.address = f"unix://{self._path}"

    async def up(self) -> None:
        """Lets connections through."""
        self._server = await asyncio.start_unix_server(self._accept, str(self._path))

    async def down(self) -> None:
        """Cuts every connection and takes no more."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        self._path.unlink(missing_ok=True)
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            self._connections.discard(connection)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._engine.scheme == "unix":
            engine_reader, engine_writer = await asyncio.open_unix_connection(self._engine.path)
        else:
            engine_reader, engine_writer = await asyncio.open_connection(self._engine.hostname, self._engine.port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_copy(reader, engine_writer))
                both.create_task(_copy(engine_reader, writer))
        finally:
            engine_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
