"""Pauses after failures."""

from __future__ import annotations

import random


class Backoff:
    """A pause after each failure, twice as long each time until something succeeds.

    Failures within a pause are of the same trouble and change nothing.

    Args:
        first_seconds: The first pause.
        longest_seconds: No pause is longer.
    """

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._first = first_seconds
        self._longest = longest_seconds
        self._next = first_seconds
        self._until = 0.0

    def paused(self, now: float) -> bool:
        """Tells whether there is a pause at this monotonic time."""
        return now < self._until

    def failed(self, now: float) -> float | None:
        """Begins a pause and returns its seconds, between half and all of its length; None if there is one."""
        if self.paused(now):
            return None
        pause = self._next * random.uniform(0.5, 1.0)  # noqa: S311 - so that executors do not keep step
        self._next = min(2 * self._next, self._longest)
        self._until = now + pause
        return pause

    def succeeded(self) -> None:
        """Ends the pause; the next one is a first one."""
        self._next = self._first
        self._until = 0.0
