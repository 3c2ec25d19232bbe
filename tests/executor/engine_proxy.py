"""A way to the Docker engine on which a test makes happen what happens to engines.

It can be cut, hold up what passes, let it pass late, and answer calls in the engine's place.
"""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_CHUNK_BYTES = 65536
_NEVER_ENDING = 1 << 62


@dataclass
class Fault:
    """An answer that the engine did not give.

    Attributes:
        call: Matches the request line: "POST /v1.41/containers/create?name=… HTTP/1.1".
        status: HTTP status.
        message: What the engine would say.
        left: How many calls it still meets.
    """

    call: re.Pattern[str]
    status: int
    message: str
    left: int

    def meets(self, line: str) -> bool:
        """Whether this call is to fail; counts it if so."""
        if self.left <= 0 or not self.call.search(line):
            return False
        self.left -= 1
        return True

    def answer(self) -> bytes:
        body = json.dumps({"message": self.message}).encode() + b"\n"
        head = f"HTTP/1.1 {self.status} Fault\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


class EngineProxy:
    """Passes connections on a Unix socket to the engine, until it is told to do something else.

    Attributes:
        address: What a client connects to.
        seconds: How late each piece of an answer arrives.
        faults: Answers in the engine's place.
    """

    def __init__(self, folder: Path, engine: str) -> None:
        self._path = folder / "engine.sock"
        self._engine = urlsplit(engine)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self.address = f"unix://{self._path}"
        self.seconds = 0.0
        self.faults: list[Fault] = []

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

    def fail(self, call: str, status: int, message: str, times: int = _NEVER_ENDING) -> None:
        """Answers the next calls whose request line matches, until `mend`."""
        self.faults.append(Fault(re.compile(call), status, message, times))

    def mend(self) -> None:
        """Lets the engine answer everything again, at its own pace."""
        self.faults.clear()
        self.seconds = 0.0
        self.go_on()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            await self._join(reader, writer)
        except* (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
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
                both.create_task(self._questions(reader, engine_writer, writer))
                both.create_task(self._copy(engine_reader, writer, late=True))
        finally:
            engine_writer.transport.abort()

    async def _questions(
        self, reader: asyncio.StreamReader, engine: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        """Passes requests on one by one; after one that cannot be told from the next, everything."""
        while head := await _head(reader):
            line = head.split(b"\r\n", 1)[0].decode("latin-1")
            body = await reader.readexactly(_length(head))
            await self._flowing.wait()
            fault = next((fault for fault in self.faults if fault.meets(line)), None)
            if fault is not None:
                client.write(fault.answer())
                continue
            engine.write(head + body)
            await engine.drain()
            if re.search(rb"(?im)^(upgrade|transfer-encoding):", head):
                await self._copy(reader, engine, late=False)
                return
        engine.write_eof()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, late: bool) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await self._flowing.wait()
            await asyncio.sleep(self.seconds if late else 0.0)
            writer.write(data)
            await writer.drain()
        await self._flowing.wait()
        writer.write_eof()


async def _head(reader: asyncio.StreamReader) -> bytes:
    """The lines of a request before its body; b"" when there is no further one."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        return error.partial


def _length(head: bytes) -> int:
    found = re.search(rb"(?im)^content-length: *(\d+)", head)
    return int(found.group(1)) if found else 0
