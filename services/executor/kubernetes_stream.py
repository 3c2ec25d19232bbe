"""The streams of an attached pod: a WebSocket each of whose messages begins with the number of its stream.

Source: Kubernetes, `k8s.io/apimachinery/pkg/util/remotecommand` (subprotocol `v4.channel.k8s.io`).
"""

from __future__ import annotations

import asyncio

import aiohttp

_STDIN, _STDOUT, _STDERR = 0, 1, 2
_CHUNK_BYTES = 32 * 1024
_STDERR_BYTES = 2048
_CLOSE_SECONDS = 1.0


class PodStream:
    """Reads a container's stdout exactly, keeps the end of its stderr, writes to its stdin.

    Nothing is read from the connection but on demand, so a flood waits in the pod; a message has at most 4 MiB.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._stdout = bytearray()
        self._stderr = b""
        self._ended = False

    @property
    def stderr_tail(self) -> str:
        """The last 2 KiB of stderr that came by. Untrusted."""
        return self._stderr.decode("utf-8", "replace").strip()

    @property
    def alive(self) -> bool:
        """False once the streams are known to have ended."""
        return not self._ended and not self._socket.closed

    async def readexactly(self, size: int) -> bytes:
        """Reads from stdout.

        Raises:
            asyncio.IncompleteReadError: The streams ended first.
        """
        while len(self._stdout) < size:
            if not await self._receive():
                raise asyncio.IncompleteReadError(bytes(self._stdout), size)
        data = bytes(self._stdout[:size])
        del self._stdout[:size]
        return data

    async def write(self, data: bytes) -> None:
        """Writes to stdin and waits until it is on its way.

        Raises:
            ConnectionError: The pod or the API server is gone.
        """
        view = memoryview(data)
        try:
            for begin in range(0, len(data), _CHUNK_BYTES):
                await self._socket.send_bytes(bytes((_STDIN,)) + bytes(view[begin : begin + _CHUNK_BYTES]))
        except aiohttp.ClientError as error:
            raise ConnectionError(f"the connection to the pod is gone: {error}") from error

    async def close(self) -> None:
        """Ends the connection, upon which the container's stdin is closed. Idempotent; raises nothing."""
        self._ended = True
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.close()
        except (TimeoutError, aiohttp.ClientError, OSError):
            return

    async def _receive(self) -> bool:
        """Takes in the next message. False at the end of the streams."""
        if self._ended:
            return False
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.BINARY:
            self._ended = True
            return False
        data: bytes = message.data
        stream, piece = data[:1], data[1:]
        if stream == bytes((_STDOUT,)):
            self._stdout += piece
        elif stream == bytes((_STDERR,)):
            self._stderr = (self._stderr + piece)[-_STDERR_BYTES:]
        return True  # else the server's own account of how the streams ended, after which they do
