"""Sandboxes that are ready before they are asked for."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.executor.backoff import Backoff
from services.executor.courtesy import Courtesy, rest_seconds
from services.executor.demand import Demand
from services.executor.refusals import shutting_down
from services.executor.sandbox import Sandbox, SandboxBackend

_SHORTEST_LIFE = 0.8
_SURPLUS_PART = 8


class StockObserver(Protocol):
    """Hears of what becomes of the stock."""

    def stocked(self, warming: int, idle: int) -> None:
        """The number of sandboxes that are made or ready changed."""
        ...

    def started(self, seconds: float, *, warm: bool) -> None:
        """A sandbox was had: ready, or waited for."""
        ...


@dataclass(frozen=True, slots=True)
class StockOptions:
    """How much is kept ready, and how it is made.

    Attributes:
        minimum: Sandboxes that are kept ready however little is asked for.
        maximum: Sandboxes that may be ready however much is asked for; at least `minimum`.
        starting: Sandboxes that may be made at once.
        maximum_age_seconds: A ready sandbox is thrown away before it is older than this.
        tick_seconds: Time between looks at what is ready and whether a pause is over.
        surplus_seconds: Time that there must be too many before an eighth of the surplus is thrown away, and between
            one eighth and the next.
        first_pause_seconds: Pause after a failure; twice as long after each further one.
        longest_pause_seconds: The longest one.
    """

    minimum: int
    maximum: int
    starting: int
    maximum_age_seconds: float = 300.0
    tick_seconds: float = 1.0
    surplus_seconds: float = 10.0
    first_pause_seconds: float = 1.0
    longest_pause_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class _Ready:
    sandbox: Sandbox
    expires: float

    def is_fit(self, now: float) -> bool:
        return now < self.expires and self.sandbox.alive


class Stock:
    """Makes sandboxes ahead, as many as are asked for while one is made; see `services.executor.demand`.

    One who finds none ready gets the next that becomes ready, in order; creations under way are taken over. After a
    failure nothing is made ahead for a while, but still what somebody waits for.
    """

    def __init__(
        self,
        backend: SandboxBackend,
        options: StockOptions,
        observer: StockObserver,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._backend = backend
        self._options = options
        self._observer = observer
        self._demand = Demand(clock())
        self._idle: deque[_Ready] = deque()
        self._takers: deque[asyncio.Future[_Ready]] = deque()
        self._creations: set[asyncio.Task[_Ready]] = set()
        self._disposals: set[asyncio.Task[None]] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._backoff = Backoff(options.first_pause_seconds, options.longest_pause_seconds)
        self._surplus_since = clock()
        self._told = (-1, -1)
        self._courtesy = Courtesy()
        self._later: asyncio.TimerHandle | None = None
        self._closed = False
        self._log = structlog.get_logger("pool")

    def start(self) -> None:
        """Begins to make sandboxes."""
        self._keeper = asyncio.create_task(self._keep())
        self._fill()

    async def stop(self) -> None:
        """Refuses those who wait, ends creations under way and destroys what is ready."""
        self._closed = True
        if self._later is not None:
            self._later.cancel()
        while (taker := self._next_taker()) is not None:
            taker.set_exception(shutting_down())
        tasks = [*self._creations, *([self._keeper] if self._keeper else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        while self._idle:
            self._discard(self._idle.popleft())
        await asyncio.gather(*self._disposals)
        self._fill()

    def expect(self) -> None:
        """Says that a sandbox will be taken, as soon as that is known."""
        self._demand.asked(self._clock())
        self._fill()

    def working(self, programs: int, *, pressed: bool) -> None:
        """Says how many programs run, and whether others wait for a slot; see `services.executor.courtesy`."""
        now = self._clock()
        pause = self._courtesy.working(programs, self._demand.refill_seconds, now, pressed=pressed)
        if self._later is not None:
            self._later.cancel()
        self._later = asyncio.get_running_loop().call_later(max(0.0, pause), self._fill)

    @property
    def rest_seconds(self) -> float:
        """For how long the end of a program is given way to."""
        return rest_seconds(self._demand.refill_seconds)

    def take_ready(self) -> Sandbox | None:
        """Takes a sandbox that nobody has used; None if none is ready.

        Raises:
            StatusError: UNAVAILABLE, the executor is stopping.
        """
        if self._closed:
            raise shutting_down()
        ready = self._pick(self._clock())
        if ready is None:
            return None
        self._fill()
        self._observer.started(0.0, warm=True)
        return ready.sandbox

    async def take(self) -> Sandbox:
        """Takes a sandbox that nobody has used, and waits until there is one.

        Raises:
            SandboxLost: None could be made.
            StatusError: UNAVAILABLE, the executor is stopping.
        """
        asked = self._clock()
        sandbox = self.take_ready()
        if sandbox is None:
            sandbox = (await self._next()).sandbox
            self._fill()
            self._observer.started(self._clock() - asked, warm=False)
        return sandbox

    def _pick(self, now: float) -> _Ready | None:
        while self._idle:
            ready = self._idle.pop()  # the newest: where sandboxes are processes, it is still in the caches
            if ready.is_fit(now):
                return ready
            self._discard(ready)
        return None

    async def _next(self) -> _Ready:
        taker: asyncio.Future[_Ready] = asyncio.get_running_loop().create_future()
        self._takers.append(taker)
        self._fill()
        try:
            return await taker
        except BaseException:
            if taker.done() and not taker.cancelled() and taker.exception() is None:
                self._store(taker.result())  # it came in the moment of being cancelled
            elif taker in self._takers:
                self._takers.remove(taker)
            raise

    def _store(self, ready: _Ready) -> None:
        taker = self._next_taker()
        if taker is not None:
            taker.set_result(ready)
        elif len(self._idle) < self._options.maximum:
            self._idle.append(ready)
        else:
            self._discard(ready)

    def _next_taker(self) -> asyncio.Future[_Ready] | None:
        while self._takers:
            taker = self._takers.popleft()
            if not taker.done():
                return taker
        return None

    def _fill(self) -> None:
        """Begins as many creations as are wanted and allowed, and says how things stand."""
        if not self._closed:
            wanted = self._wanted(self._clock())
            for _ in range(min(wanted, self._options.starting) - len(self._creations)):
                task = asyncio.create_task(self._create())
                self._creations.add(task)
                task.add_done_callback(self._created)
        standing = len(self._creations), len(self._idle)
        if standing != self._told:
            self._told = standing
            self._observer.stocked(*standing)

    def _wanted(self, now: float) -> int:
        waiting = len(self._takers)
        if self._backoff.paused(now) or (self._idle and self._courtesy.holds(now)):
            return waiting
        return waiting + self._target(now) - len(self._idle)

    def _target(self, now: float) -> int:
        return min(max(self._demand.target(now), self._options.minimum), self._options.maximum)

    async def _create(self) -> _Ready:
        began = self._clock()
        sandbox = await self._backend.create()
        made = self._clock()
        self._demand.created(made - began)
        life = self._options.maximum_age_seconds * random.uniform(_SHORTEST_LIFE, 1.0)  # noqa: S311 - not all at once
        return _Ready(sandbox, made + life)

    def _created(self, task: asyncio.Task[_Ready]) -> None:
        self._creations.discard(task)
        if not task.cancelled():
            error = task.exception()
            if error is None:
                self._backoff.succeeded()
                self._store(task.result())
            else:
                self._failed(error)
        self._fill()

    def _failed(self, error: BaseException) -> None:
        if len(self._takers) > len(self._creations) and (taker := self._next_taker()) is not None:
            taker.set_exception(error)
        pause = self._backoff.failed(self._clock())
        if pause is not None:
            self._log.warning("no sandbox could be made", why=str(error), again_in_seconds=round(pause, 2))

    def _discard(self, ready: _Ready) -> None:
        task = asyncio.create_task(ready.sandbox.destroy())
        self._disposals.add(task)
        task.add_done_callback(self._disposals.discard)

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._options.tick_seconds)
            self._tidy(self._clock())
            self._fill()

    def _tidy(self, now: float) -> None:
        """Throws away what is dead or aged, and slowly what is too much."""
        kept, self._idle = self._idle, deque()
        for ready in kept:
            if ready.is_fit(now):
                self._idle.append(ready)
            else:
                self._discard(ready)
        surplus = len(self._idle) - self._target(now)
        if surplus <= 0:
            self._surplus_since = now
        elif now - self._surplus_since >= self._options.surplus_seconds:
            self._surplus_since = now
            for _ in range(-(-surplus // _SURPLUS_PART)):
                self._discard(self._idle.popleft())
