"""A bounded queue in front of slots, and a warm pool of single-use sandboxes behind them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import structlog

from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import StatusError, unavailable
from services.executor.sandbox import Sandbox, SandboxBackend, SandboxLost

_REFILL_PAUSE_SECONDS = 1.0
_SMOOTHING = 0.2


class PoolObserver(Protocol):
    """Hears of what the pool does; `services.executor.metrics` is one."""

    def slots(self, busy: int, free: int, waiting: int) -> None:
        """Slots or the queue changed."""
        ...

    def pool(self, warming: int, idle: int, leased: int) -> None:
        """Sandboxes changed."""
        ...

    def waited(self, seconds: float) -> None:
        """A request left the queue."""
        ...

    def started(self, seconds: float, *, warm: bool) -> None:
        """A sandbox was had: from the pool, or made for the request."""
        ...


@dataclass(frozen=True, slots=True)
class PoolOptions:
    """How much a pool may hold.

    Attributes:
        slots: Sandboxes that may run at once.
        warm: Sandboxes that are kept ready.
        queue: Requests that may wait for a slot.
        maximum_age_seconds: A ready sandbox older than this is thrown away.
    """

    slots: int
    warm: int
    queue: int
    maximum_age_seconds: float = 300.0


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

    A slot is free again only when its sandbox is gone, so that a slow engine is felt as queueing and never as
    a pile of dying containers.
    """

    def __init__(self, backend: SandboxBackend, options: PoolOptions, observer: PoolObserver) -> None:
        self._backend = backend
        self._options = options
        self._observer = observer
        self._free = options.slots
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._idle: deque[tuple[float, Sandbox]] = deque()
        self._warming = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._refill_wanted = asyncio.Event()
        self._refiller: asyncio.Task[None] | None = None
        self._service_seconds = 0.1
        self._closed = False
        self._log = structlog.get_logger("pool")

    def start(self) -> None:
        """Begins to fill the pool."""
        self._refiller = asyncio.create_task(self._refill())
        self._refill_wanted.set()

    async def stop(self) -> None:
        """Refuses those who wait, then destroys every sandbox."""
        self._closed = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(_shutting_down())
        if self._refiller is not None:
            self._refiller.cancel()
            await asyncio.gather(self._refiller, return_exceptions=True)
        idle, self._idle = self._idle, deque()
        await asyncio.gather(*(sandbox.destroy() for _, sandbox in idle), *self._tasks)

    @contextlib.asynccontextmanager
    async def lease(self) -> AsyncIterator[Lease]:
        """Waits for a slot and a sandbox; destroys the sandbox afterwards, whatever happens.

        Raises:
            StatusError: RESOURCE_EXHAUSTED when the queue is full, UNAVAILABLE when no sandbox can be had.
        """
        asked = time.monotonic()
        await self._take_slot()
        granted = time.monotonic()
        self._observer.waited(granted - asked)
        try:
            sandbox = await self._provide()
        except BaseException:
            self._give_slot()
            raise
        try:
            had = time.monotonic()
            yield Lease(sandbox, granted - asked, had - granted)
        finally:
            self._dispose(sandbox, granted)

    async def _take_slot(self) -> None:
        if self._closed:
            raise _shutting_down()
        if self._free > 0 and not self._waiters:
            self._free -= 1
            self._publish()
            return
        if len(self._waiters) >= self._options.queue:
            raise self._queue_full()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._publish()
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                self._give_slot()  # it was granted in the moment of being cancelled
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            self._publish()

    def _give_slot(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                self._publish()
                return
        self._free += 1
        self._publish()

    def _queue_full(self) -> StatusError:
        wait = self._service_seconds * (len(self._waiters) + 1) / self._options.slots
        return StatusError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            reasons.ERROR_REASON_QUEUE_FULL,
            f"{len(self._waiters)} requests wait already; come back in {wait:.1f} s or add executors",
            retry_after_seconds=max(0.05, wait),
        )

    async def _provide(self) -> Sandbox:
        started = time.monotonic()
        oldest = started - self._options.maximum_age_seconds
        while self._idle:
            made, sandbox = self._idle.popleft()
            self._refill_wanted.set()
            if made >= oldest:
                self._observer.started(time.monotonic() - started, warm=True)
                return sandbox
            self._background(sandbox.destroy())
        try:
            sandbox = await self._backend.create()
        except SandboxLost as error:
            raise unavailable(reasons.ERROR_REASON_SANDBOX_UNAVAILABLE, str(error)) from error
        self._observer.started(time.monotonic() - started, warm=False)
        return sandbox

    def _dispose(self, sandbox: Sandbox, granted: float) -> None:
        async def dispose() -> None:
            try:
                await sandbox.destroy()
            finally:
                seconds = time.monotonic() - granted
                self._service_seconds += _SMOOTHING * (seconds - self._service_seconds)
                self._give_slot()

        self._background(dispose())

    def _background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _refill(self) -> None:
        while True:
            await self._refill_wanted.wait()
            self._refill_wanted.clear()
            while len(self._idle) < self._options.warm:
                if not await self._warm_one():
                    await asyncio.sleep(_REFILL_PAUSE_SECONDS)

    async def _warm_one(self) -> bool:
        self._warming = 1
        self._publish()
        try:
            sandbox = await self._backend.create()
        except SandboxLost as error:
            self._log.warning("no sandbox could be warmed", why=str(error))
            return False
        finally:
            self._warming = 0
        self._idle.append((time.monotonic(), sandbox))
        self._publish()
        return True

    def _publish(self) -> None:
        busy = self._options.slots - self._free
        self._observer.slots(busy, self._free, len(self._waiters))
        self._observer.pool(self._warming, len(self._idle), busy)


def _shutting_down() -> StatusError:
    return unavailable(reasons.ERROR_REASON_SHUTTING_DOWN, "the executor is shutting down; retry on another one")
