"""A circuit breaker: leaves a server alone that keeps failing."""

from __future__ import annotations

import time
from collections.abc import Callable


class CircuitBreaker:
    """Opens after some failures in a row, and lets one probe through after a pause.

    Args:
        threshold: Failures in a row that open it.
        pause_seconds: How long it stays open.
        clock: Monotonic seconds.
    """

    def __init__(self, threshold: int, pause_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._threshold = threshold
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls are being refused."""
        return self._opened_at is not None

    def admit(self) -> bool:
        """Returns whether a call may be made; one that may must report how it ended."""
        if self._opened_at is None:
            return True
        if self._probing or self._clock() - self._opened_at < self._pause_seconds:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """The server answered."""
        self._failures = 0
        self._opened_at = None
        self._probing = False

    def failed(self) -> None:
        """The server did not answer."""
        self._failures += 1
        if self._probing or self._failures >= self._threshold:
            self._opened_at = self._clock()
        self._probing = False

    def abandoned(self) -> None:
        """The call was given up for a reason that says nothing of the server."""
        self._probing = False
