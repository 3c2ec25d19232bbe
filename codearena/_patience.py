"""How often something that was interrupted is tried again, and when."""

from __future__ import annotations

import random
import time
from typing import Final

from codearena._errors import ArenaError, UnavailableError

FIRST_BACKOFF_SECONDS: Final = 0.2
BACKOFF_MULTIPLIER: Final = 3
LONGEST_BACKOFF_SECONDS: Final = 5.0


class Patience:
    """Tries in a row that came to nothing, as against how many there may be.

    Args:
        max_attempts: How many there may be.
        seconds: Until the deadline of them all.
    """

    def __init__(self, max_attempts: int, seconds: float) -> None:
        self._max_attempts = max_attempts
        self._deadline = time.monotonic() + seconds
        self._failures = 0

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline."""
        return self._deadline - time.monotonic()

    def answered(self) -> None:
        """Takes note of progress: the next failure is the first one again."""
        self._failures = 0

    def pause(self, error: ArenaError, cause: Exception) -> float:
        """Returns the seconds to wait before the next try: random ones, up to a bound that grows.

        Raises:
            ArenaError: The error, from its cause: it is not that the arena was unavailable, or patience is at its end.
        """
        self._failures += 1
        bound = FIRST_BACKOFF_SECONDS * BACKOFF_MULTIPLIER ** (self._failures - 1)
        seconds = random.uniform(0, min(bound, LONGEST_BACKOFF_SECONDS))  # noqa: S311 - no secret
        spent = self._failures >= self._max_attempts or seconds >= self.seconds_left
        if spent or not isinstance(error, UnavailableError):
            raise error from cause
        return seconds
