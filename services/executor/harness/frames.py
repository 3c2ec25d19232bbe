"""Length-prefixed frames over file descriptors."""

from __future__ import annotations

import os
import struct

HEADER = struct.Struct(">I")


def read_exactly(descriptor: int, count: int) -> bytes:
    """Reads `count` bytes. Raises EOFError if the other end closes first."""
    parts: list[bytes] = []
    while count:
        part = os.read(descriptor, min(count, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def read_frame(descriptor: int) -> bytes:
    """Reads one frame. Raises EOFError if the other end closes first."""
    (length,) = HEADER.unpack(read_exactly(descriptor, HEADER.size))
    return read_exactly(descriptor, length)


def write_all(descriptor: int, data: bytes) -> None:
    """Writes all of `data` to a blocking descriptor."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_frame(descriptor: int, payload: bytes) -> None:
    """Writes one frame."""
    write_all(descriptor, HEADER.pack(len(payload)) + payload)
