"""Leases sandboxes: a fair queue in front of slots, and a warm stock of single-use sandboxes behind them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from codearena.v1 import error_reason_pb2 as reasons
from services.common import tracing
from services.common.errors import unavailable
from services.executor.asks import ANYONE, Ask, in_time
from services.executor.queue import QueueObserver, QueueOptions, SlotQueue
from services.executor.sandbox import Sandbox, SandboxBackend, SandboxLost
from services.executor.shares import Ticket
from services.executor.stock import Stock, StockObserver, StockOptions


class PoolObserver(QueueObserver, StockObserver, Protocol):
    """Hears of what the pool does; `services.executor.metrics` is one."""

    def leased(self, count: int) -> None:
        """The number of sandboxes that are in use, or used and not yet gone, changed."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """A sandbox for one program.

    Attributes:
        sandbox: To run it in.
        queue_seconds: Time in the queue.
        provision_seconds: Time until the sandbox was there.
    """

    sandbox: Sandbox
    queue_seconds: float
    provision_seconds: float


class SandboxPool:
    """Leases sandboxes; each is used once and then destroyed, off the path of the answer.

    As many sandboxes as there are slots may be in use, and as many again may be on their way out. One more keeps its
    slot until another one is gone, so that a slow engine is felt as queueing and never as a pile of dying containers.
    """

    def __init__(
        self, backend: SandboxBackend, queue: QueueOptions, stock: StockOptions, observer: PoolObserver
    ) -> None:
        self._queue = SlotQueue(queue, observer)
        self._stock = Stock(backend, stock, observer)
        self._observer = observer
        self._most_dying = queue.slots
        self._leased = self._programs = 0
        self._dying: set[asyncio.Task[None]] = set()
        self._kept: deque[Ticket] = deque()
        self._hurry = asyncio.Event()

    def start(self) -> None:
        """Begins to fill the stock."""
        self._stock.start()

    async def stop(self) -> None:
        """Refuses those who wait, then destroys every sandbox but those in use."""
        self._queue.close()
        await self._stock.stop()
        await asyncio.gather(*self._dying)

    @contextlib.asynccontextmanager
    async def lease(self, ask: Ask = ANYONE) -> AsyncIterator[Lease]:
        """Waits for a slot and a sandbox; destroys the sandbox afterwards, whatever happens.

        Raises:
            StatusError: RESOURCE_EXHAUSTED when the queue has no place, DEADLINE_EXCEEDED when the ask's deadline goes
                by first, UNAVAILABLE when no sandbox can be had.
        """
        asked = time.monotonic()
        self._stock.expect()
        with tracing.span("queue"):
            ticket = await self._queue.take(ask)
        granted = time.monotonic()
        try:
            with tracing.span("provision"):
                sandbox = await self._provide(ask)
        except BaseException:
            self._queue.give(ticket)
            raise
        try:
            yield Lease(sandbox, granted - asked, time.monotonic() - granted)
        finally:
            self._dispose(sandbox, ticket)

    async def _provide(self, ask: Ask) -> Sandbox:
        self._working(+1)
        try:
            sandbox = self._stock.take_ready()
            if sandbox is None:
                async with in_time(ask):
                    sandbox = await self._stock.take()
        except BaseException as error:
            self._working(-1)
            if isinstance(error, SandboxLost):
                raise unavailable(reasons.ERROR_REASON_SANDBOX_UNAVAILABLE, str(error)) from error
            raise
        self._leased += 1
        self._observer.leased(self._leased)
        return sandbox

    def _working(self, change: int) -> None:
        self._programs += change
        self._stock.working(self._programs, pressed=self._queue.waiting > 0)

    def _dispose(self, sandbox: Sandbox, ticket: Ticket) -> None:
        self._working(-1)
        task = asyncio.create_task(self._destroy(sandbox))
        self._dying.add(task)
        task.add_done_callback(self._gone)
        if len(self._dying) > self._most_dying:
            self._kept.append(ticket)
            self._hurry.set()
        else:
            self._queue.give(ticket)

    async def _destroy(self, sandbox: Sandbox) -> None:
        """Destroys a sandbox when its answer has had a moment to go out, or at once if a slot waits for that."""
        if not self._queue.waiting:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._stock.rest_seconds)
        await sandbox.destroy()

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._dying.discard(task)
        self._leased -= 1
        self._observer.leased(self._leased)
        if self._kept:
            self._queue.give(self._kept.popleft())
        if not self._kept:
            self._hurry.clear()
