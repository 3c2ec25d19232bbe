"""How many calls a server gets at a time: as many as it bears."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

_FIRST = 8.0
_DECREASE = 0.5
_NEVER = float("-inf")


class Full(Exception):
    """Too many calls are waiting."""


class AdaptiveLimiter:
    """A limit that grows while calls are answered and is halved when the server asks for fewer.

    It doubles with each round of answered calls until the server first does so, and grows by one with each round from
    then on: slow start, additive increase and multiplicative decrease, as TCP does (Jacobson 1988). Those who wait get
    their turn in the order in which they came.

    Args:
        most: Calls at a time, at most.
        max_waiting: Calls that may wait for their turn.
        clock: Monotonic seconds.
    """

    def __init__(self, most: int, max_waiting: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._max_waiting = max_waiting
        self._clock = clock
        self._limit = min(_FIRST, float(most))
        self._running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._lowered_at = _NEVER

    @property
    def limit(self) -> int:
        """Calls at a time, now."""
        return int(self._limit)

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[float]:
        """Waits for a turn and holds it while the block runs; yields when it began, for `refused`.

        Raises:
            Full: Too many are waiting.
        """
        await self._begin()
        try:
            yield self._clock()
        finally:
            self._running -= 1
            self._admit()

    def answered(self) -> None:
        """A call was answered."""
        if self._running >= int(self._limit):  # a limit that nobody reaches says nothing of the server
            step = 1.0 if self._lowered_at == _NEVER else 1.0 / self._limit
            self._limit = min(float(self._most), self._limit + step)
            self._admit()

    def refused(self, began: float) -> None:
        """The server asked for fewer calls than when a call began. Calls of one round lower the limit once."""
        if began > self._lowered_at:
            self._limit = max(1.0, self._limit * _DECREASE)
            self._lowered_at = self._clock()

    async def _begin(self) -> None:
        if self._running < int(self._limit) and not self._waiting:
            self._running += 1
            return
        if len(self._waiting) >= self._max_waiting:
            raise Full
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(ticket)
        try:
            await ticket
        except asyncio.CancelledError:
            if ticket.done() and not ticket.cancelled():
                self._running -= 1
                self._admit()
            else:
                self._waiting.remove(ticket)
            raise

    def _admit(self) -> None:
        while self._waiting and self._running < int(self._limit):
            ticket = self._waiting.popleft()
            if not ticket.done():
                self._running += 1
                ticket.set_result(None)
