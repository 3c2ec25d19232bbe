"""The frames between executor and harness.

A frame is a four-byte big-endian length and a payload of that many bytes. The harness speaks first, with one
frame `READY`: a child waits. A job is two frames of JSON, program and cases, sent together. The answer is one frame of
JSON; further batches of cases may follow, each answered by a frame. An empty frame ends the job; the harness answers
`READY` when the child is no more and another one waits.
"""

from __future__ import annotations

import asyncio
import struct

READY = b"codearena-harness-4"
# -P and -S instead of -I, which would ignore PYTHONHASHSEED: equal sets are to be ordered alike in every sandbox.
PYTHON_FLAGS = ("-S", "-P", "-s", "-B")
HARNESS_PATH = "/codearena/harness"
ENVIRONMENT = {"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "1", "LANG": "C.UTF-8"}
MAX_GREETING_BYTES = 64
MAX_REPLY_BYTES = 64 * 1024 * 1024
_HEADER = struct.Struct(">I")


def frame(payload: bytes) -> bytes:
    """Returns the payload with its length in front."""
    return _HEADER.pack(len(payload)) + payload


async def read_frame(reader: asyncio.StreamReader, limit: int = MAX_REPLY_BYTES) -> bytes:
    """Reads one frame.

    Raises:
        asyncio.IncompleteReadError: The stream ended first.
        ValueError: The frame is longer than `limit` bytes.
    """
    (length,) = _HEADER.unpack(await reader.readexactly(_HEADER.size))
    if length > limit:
        raise ValueError(f"frame of {length} bytes, at most {limit} are allowed")
    return await reader.readexactly(length)
