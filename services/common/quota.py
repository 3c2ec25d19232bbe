"""How much of the arena one token may use at once and over time. Each server counts for itself."""

from __future__ import annotations

import asyncio
import time

from services.common.rates import Bucket
from services.common.tokens import Token


class Usage:
    """What one token has under way. Belongs to one event loop."""

    def __init__(self) -> None:
        self._bucket: Bucket | None = None
        self._steps = 0
        self._freed = asyncio.Event()

    def request(self, token: Token) -> float:
        """Counts a request; returns 0.0, or in how many seconds the token may send one."""
        if token.requests_per_second is None:
            return 0.0
        if self._bucket is None:
            self._bucket = Bucket(token.requests_per_second, token.burst)
        self._bucket.per_second, self._bucket.burst = token.requests_per_second, token.burst
        return self._bucket.take(time.monotonic())

    def begin(self, token: Token, steps: int) -> int:
        """Begins steps, and returns how many of the quota they take: 0 if there is no room for them.

        More than the whole quota count as the whole, for else they could never begin.
        """
        if token.concurrent_steps is not None:
            steps = min(steps, token.concurrent_steps)
            if self._steps + steps > token.concurrent_steps:
                return 0
        self._steps += steps
        return steps

    async def begin_when_free(self, token: Token) -> None:
        """Counts a request and begins one step, as soon as the token may."""
        wait = self.request(token)
        while wait:  # others of the same token may be quicker
            await asyncio.sleep(wait)
            wait = self.request(token)
        while not self.begin(token, 1):
            await self._freed.wait()

    def end(self, steps: int) -> None:
        """Steps have ended."""
        self._steps -= steps
        self._freed.set()
        self._freed = asyncio.Event()


class Usages:
    """The usage of each token, by its name, so that a token keeps it when the file of tokens changes."""

    def __init__(self) -> None:
        self._usages: dict[str, Usage] = {}

    def of(self, token: Token) -> Usage:
        """Returns the usage of a token. Names come from the operator's file, which bounds how many there are."""
        return self._usages.setdefault(token.name, Usage())
