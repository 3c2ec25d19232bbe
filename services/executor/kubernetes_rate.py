"""How fast this executor may call the API server: a token bucket in which callers stand in line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


class RateLimit:
    """Lets `burst` calls through at once, and `per_second` in the long run.

    Args:
        per_second: Calls a second.
        burst: Calls that may be saved up while none are made.
        clock: Monotonic time in seconds.
        sleep: Waits as many seconds.
    """

    def __init__(
        self,
        per_second: float,
        burst: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._seconds = 1.0 / per_second
        self._saved_up = burst * self._seconds
        self._clock = clock
        self._sleep = sleep
        self._next = clock() - self._saved_up

    async def wait(self) -> None:
        """Returns when the next call may be made. A caller that is cancelled has used up its turn."""
        now = self._clock()
        turn = self._next = max(self._next, now - self._saved_up) + self._seconds
        if turn > now:
            await self._sleep(turn - now)

    def hold(self, seconds: float) -> None:
        """Makes everybody wait, as the server has asked for it."""
        self._next = max(self._next, self._clock() + seconds)
