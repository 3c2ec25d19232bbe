"""The streams of an attached container: a connection on which the engine interleaves stdout and stderr.

Each piece has eight bytes in front: the stream's number, three zeros and the length, big-endian.
Source: Docker Engine API, "Attach to a container", section "Stream format".
"""

from __future__ import annotations

import asyncio
import struct

_HEADER = struct.Struct(">BxxxI")
_STDOUT, _STDERR = 1, 2
_CHUNK_BYTES = 64 * 1024
_STDERR_BYTES = 2048


class DockerStream:
    """Reads a container's stdout exactly, keeps the end of its stderr, writes to its stdin.

    Nothing is read from the connection but on demand, so a flood waits in the container.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._stream = _STDOUT
        self._left = 0

    @property
    def stderr_tail(self) -> str:
        """The last 2 KiB of stderr that came by. Untrusted."""
        return self._stderr.decode("utf-8", "replace").strip()

    @property
    def alive(self) -> bool:
        """False once the streams have ended and all that came by was read."""
        return not self._reader.at_eof()

    async def readexactly(self, size: int) -> bytes:
        """Reads from stdout.

        Raises:
            asyncio.IncompleteReadError: The container's streams ended first.
            ConnectionError: The engine went away or speaks another format.
        """
        while len(self._stdout) < size:
            if not await self._receive():
                raise asyncio.IncompleteReadError(bytes(self._stdout), size)
        data = bytes(self._stdout[:size])
        del self._stdout[:size]
        return data

    async def ended(self) -> bool:
        """Tells, without waiting, whether the streams have ended. What arrived meanwhile is kept."""
        try:
            async with asyncio.timeout(0):
                while await self._receive():
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    async def write(self, data: bytes) -> None:
        """Writes to stdin and waits until it is on its way.

        Raises:
            ConnectionError: The container or the engine is gone.
        """
        self._writer.write(data)
        await self._writer.drain()

    async def end(self, seconds: float) -> None:
        """Closes stdin and waits, at most `seconds`, until the streams end; what still comes is dropped."""
        if not self._writer.can_write_eof():  # over TLS a connection closes as a whole
            return
        try:
            async with asyncio.timeout(seconds):
                self._writer.write_eof()
                while await self._reader.read(_CHUNK_BYTES):
                    pass
        except (TimeoutError, OSError):
            return

    def close(self) -> None:
        """Ends the connection; the container finds its stdin closed. Idempotent."""
        self._writer.close()

    async def _receive(self) -> bool:
        """Takes in what comes next, at most 64 KiB. False at the end of the streams."""
        if self._left == 0:
            try:
                header = await self._reader.readexactly(_HEADER.size)
            except asyncio.IncompleteReadError:
                return False
            self._stream, self._left = _HEADER.unpack(header)
            if self._stream not in (_STDOUT, _STDERR):
                raise ConnectionError(f"the engine sent stream {self._stream}, only stdout and stderr are known")
            return True
        chunk = await self._reader.read(min(self._left, _CHUNK_BYTES))
        self._left -= len(chunk)
        if self._stream == _STDOUT:
            self._stdout += chunk
        else:
            self._stderr = (self._stderr + chunk)[-_STDERR_BYTES:]
        return bool(chunk)
