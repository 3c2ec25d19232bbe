"""How many tokens may be spent."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_WINDOW_SECONDS = 3600.0
_BUCKET_SECONDS = 60.0


class TokenBudget:
    """Tokens of the last hour, by the minute, against a limit.

    Args:
        tokens_per_hour: The limit; None for none. It is a soft one: calls under way are not stopped.
        clock: Monotonic seconds.
    """

    def __init__(self, tokens_per_hour: int | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = tokens_per_hour
        self._clock = clock
        self._buckets: deque[tuple[int, int]] = deque()

    def spend(self, tokens: int) -> None:
        """Records tokens that were used."""
        minute = int(self._clock() // _BUCKET_SECONDS)
        if self._buckets and self._buckets[-1][0] == minute:
            tokens += self._buckets.pop()[1]
        self._buckets.append((minute, tokens))

    def exhausted(self) -> bool:
        """Returns whether the tokens of the last hour have reached the limit."""
        oldest = int((self._clock() - _WINDOW_SECONDS) // _BUCKET_SECONDS)
        while self._buckets and self._buckets[0][0] < oldest:
            self._buckets.popleft()
        return self._limit is not None and sum(tokens for _, tokens in self._buckets) >= self._limit
