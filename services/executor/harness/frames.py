"""Length-prefixed frames over file descriptors."""

from __future__ import annotations

import os
import struct

HEADER = struct.Struct(">I")
_CHUNK = 1 << 16


class Frames:
    """The frames that arrive on a blocking descriptor, one after the other."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = bytearray()

    def next(self) -> bytes:
        """Waits for a frame. Raises EOFError if the other end closes first."""
        (length,) = HEADER.unpack(self._take(HEADER.size))
        return self._take(length)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            data = os.read(self._descriptor, max(_CHUNK, count - len(self._buffer)))
            if not data:
                raise EOFError
            self._buffer += data
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken


def frame(payload: bytes) -> bytes:
    """Returns the payload with its length in front."""
    return HEADER.pack(len(payload)) + payload


def write_frame(descriptor: int, payload: bytes) -> None:
    """Writes one frame, all of it, to a blocking descriptor."""
    view = memoryview(frame(payload))
    while view:
        view = view[os.write(descriptor, view) :]
