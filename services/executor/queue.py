"""A bounded queue in front of slots: fair among training runs, mindful of deadlines."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from services.common.errors import StatusError
from services.executor.asks import Ask, in_time
from services.executor.drain import Drain
from services.executor.refusals import queue_full, shutting_down, too_late
from services.executor.shares import Place, Shares, Ticket


class QueueObserver(Protocol):
    """Hears of what the queue does."""

    def slots(self, busy: int, free: int, waiting: int) -> None:
        """Slots or the queue changed."""
        ...

    def waited(self, seconds: float) -> None:
        """A request left the queue, with a slot or without."""
        ...


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How much may run and wait.

    Attributes:
        slots: Requests that may have a slot at once.
        places: Requests that may wait for one.
        weights: Share of a training run relative to others, by its id; 1 for those not named.
    """

    slots: int
    places: int
    weights: Mapping[str, float] = field(default_factory=dict)


class SlotQueue:
    """Grants slots; see `services.executor.shares` for the order.

    A slot is taken back or given on in whatever moment a caller is cancelled.
    """

    def __init__(
        self, options: QueueOptions, observer: QueueObserver, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._options = options
        self._observer = observer
        self._clock = clock
        self._shares = Shares(options.weights)
        self._drain = Drain()
        self._free = options.slots
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._shares.waiting

    async def take(self, ask: Ask) -> Ticket:
        """Waits for a slot; the caller gives the ticket back.

        Raises:
            StatusError: RESOURCE_EXHAUSTED when the queue is full and its places are shared fairly as they are, or
                when this place went to a run with fewer; DEADLINE_EXCEEDED at the deadline; UNAVAILABLE when closed.
        """
        if self._closed:
            raise shutting_down()
        if ask.too_late:
            raise too_late()
        if self._free:
            self._free -= 1
            self._changed()
            self._observer.waited(0.0)
            return self._shares.charge(ask.run_id, self._clock(), ask.weight)
        return await self._wait(self._join(ask))

    def give(self, ticket: Ticket) -> None:
        """Gives a slot back, and on to the one whose turn it is."""
        now = self._clock()
        self._shares.settle(ticket, now)
        self._drain.gave(now)
        self._free += 1
        self._serve(now)
        self._changed()

    def close(self) -> None:
        """Refuses those who wait and those who come."""
        self._closed = True
        while place := self._shares.next(self._clock()):
            _refuse(place, shutting_down())
        self._changed()

    def _join(self, ask: Ask) -> Place:
        if self._shares.waiting >= self._options.places:
            robbed = self._shares.steal(ask.run_id, ask.weight)
            if robbed is None:
                raise self._full(f"{self._shares.waiting} requests wait already")
            _refuse(robbed, self._full("the queue is full, and a run with fewer requests in it took this place"))
        place = self._shares.join(ask)
        self._changed()
        return place

    async def _wait(self, place: Place) -> Ticket:
        asked = self._clock()
        try:
            async with in_time(place.ask):
                return await place.slot
        except BaseException:
            if _is_granted(place):  # in the moment of being cancelled
                self.give(place.slot.result())
            else:
                self._shares.leave(place)
            raise
        finally:
            self._observer.waited(self._clock() - asked)
            self._changed()

    def _serve(self, now: float) -> None:
        while self._free and (place := self._shares.next(now)):
            if place.ask.too_late:
                _refuse(place, too_late())
            elif not place.slot.done():
                self._free -= 1
                place.slot.set_result(self._shares.charge(place.ask.run_id, now, place.ask.weight))

    def _full(self, why: str) -> StatusError:
        guess = self._shares.cost_seconds / self._options.slots
        return queue_full(why, self._drain.seconds(self._shares.waiting + 1, guess, self._clock()))

    def _changed(self) -> None:
        if self._shares.waiting:
            self._drain.waiting(self._clock())
        else:
            self._drain.nothing_waits()
        self._observer.slots(self._options.slots - self._free, self._free, self._shares.waiting)


def _is_granted(place: Place) -> bool:
    slot = place.slot
    return slot.done() and not slot.cancelled() and slot.exception() is None


def _refuse(place: Place, why: StatusError) -> None:
    if not place.slot.done():
        place.slot.set_exception(why)
