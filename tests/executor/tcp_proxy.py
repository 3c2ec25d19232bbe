"""A way to a TCP server that a test can cut, and hold up."""

from __future__ import annotations

import asyncio

_CHUNK_BYTES = 65536


class TcpProxy:
    """Passes connections on a loopback port to a server until it is told to do something else.

    Attributes:
        port: Where clients connect to.
    """

    def __init__(self, host: str, port: int) -> None:
        self.port = 0
        self._target = host, port
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def up(self) -> None:
        """Lets connections through, at the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        """Cuts every connection and takes no more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def cut(self) -> None:
        """Cuts every connection, and takes new ones."""
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def hang(self) -> None:
        """Takes connections and lets nothing through, until `go_on`."""
        self._flowing.clear()

    def go_on(self) -> None:
        """Lets through what `hang` held up."""
        self._flowing.set()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._copy(reader, server_writer))
                    both.create_task(self._copy(server_reader, writer))
            finally:
                server_writer.transport.abort()
        except* (OSError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(connection)
            writer.transport.abort()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError  # one side is done, and so are both
