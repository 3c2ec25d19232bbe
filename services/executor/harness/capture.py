"""Drains what a child prints: never blocks it, never keeps more than a cap."""

from __future__ import annotations

import os

_CHUNK = 1 << 16


class Capture:
    """What the children of one program print.

    Args:
        limit: Bytes on both streams together after which a child is stopped.
        keep: Bytes of each that are kept.

    Attributes:
        keeping: Whether what comes is kept, or only counted.
        total: Bytes that came from the present child.
    """

    def __init__(self, limit: int, keep: int) -> None:
        self._limit = limit
        self._keep = keep
        self._kept = {"stdout": bytearray(), "stderr": bytearray()}
        self.total = 0
        self.keeping = True

    @property
    def flooded(self) -> bool:
        """Whether more was written than is allowed."""
        return self.total > self._limit

    def text(self, stream: str) -> str:
        """Returns what was kept of "stdout" or "stderr"."""
        return self._kept[stream].decode(errors="backslashreplace")

    def drain(self, descriptor: int, stream: str) -> bool:
        """Reads what waits on a non-blocking pipe, at most one chunk. Returns False at its end."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return True
        self.total += len(data)
        if self.keeping:
            kept = self._kept[stream]
            kept += data[: max(0, self._keep - len(kept))]
        return bool(data)
