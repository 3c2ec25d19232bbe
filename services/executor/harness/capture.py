"""Drains what a child prints: never blocks it, never keeps more than a cap."""

from __future__ import annotations

import os

_CHUNK = 1 << 16


class Capture:
    """The two output pipes of one child after another.

    Args:
        limit: Bytes on both together after which a child is stopped.
        keep: Bytes of each that are kept.
    """

    def __init__(self, limit: int, keep: int) -> None:
        self._limit = limit
        self._keep = keep
        self.kept: dict[str, bytearray] = {"stdout": bytearray(), "stderr": bytearray()}
        self.total = 0
        self.open: dict[int, str] = {}
        self.keeping = True

    @property
    def flooded(self) -> bool:
        """Whether more was written than is allowed."""
        return self.total > self._limit

    def watch(self, stdout: int, stderr: int) -> None:
        """Takes over the reading ends of a new child's pipes."""
        self.close()
        self.open = {stdout: "stdout", stderr: "stderr"}
        for descriptor in self.open:
            os.set_blocking(descriptor, False)

    def drain(self, descriptor: int) -> None:
        """Reads what waits on one pipe, at most one chunk."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return
        if not data:
            del self.open[descriptor]
            os.close(descriptor)
            return
        self._take(self.kept[self.open[descriptor]], data)

    def drain_all(self) -> None:
        """Reads all that waits, until the pipes are empty or the limit is passed."""
        for descriptor in list(self.open):
            before = -1
            while descriptor in self.open and before != self.total and not self.flooded:
                before = self.total
                self.drain(descriptor)

    def close(self) -> None:
        """Closes the pipes."""
        for descriptor in self.open:
            os.close(descriptor)
        self.open = {}

    def _take(self, kept: bytearray, data: bytes) -> None:
        self.total += len(data)
        if self.keeping:
            kept += data[: max(0, self._keep - len(kept))]
