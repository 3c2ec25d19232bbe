"""Equal work that is asked for at the same time is done once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from services.executor.refusals import shutting_down

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Flight(Generic[T]):
    task: asyncio.Task[T]
    waiting: int = 0
    received: bool = False


class Flights(Generic[T]):
    """Work under way, by its key.

    One who stops waiting leaves the work to the others; when the last one stops, the work is cancelled.
    """

    def __init__(self) -> None:
        self._flights: dict[Hashable, _Flight[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    async def join(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> tuple[T, bool]:
        """Waits for work of this key that is under way, or begins it.

        Returns:
            Its result, and whether this is the first one to receive it.

        Raises:
            StatusError: UNAVAILABLE at shutdown; else whatever the work raised, to everyone who waits for it.
        """
        flight = self._flights.get(key) or self._begin(key, work)
        flight.waiting += 1
        try:
            result = await asyncio.shield(flight.task)
        except asyncio.CancelledError:
            if flight.task.cancelled():  # by `stop`; a cancelled handler would leave its client without a status
                raise shutting_down() from None
            raise
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                self._end(key, flight)
        first, flight.received = not flight.received, True
        return result, first

    async def stop(self) -> None:
        """Cancels what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, key: Hashable, work: Callable[[], Coroutine[Any, Any, T]]) -> _Flight[T]:
        flight = _Flight(asyncio.create_task(work()))
        self._flights[key] = flight
        self._tasks.add(flight.task)
        flight.task.add_done_callback(lambda _: self._landed(key, flight))
        return flight

    def _landed(self, key: Hashable, flight: _Flight[T]) -> None:
        self._tasks.discard(flight.task)
        if self._flights.get(key) is flight:
            del self._flights[key]
        if not flight.task.cancelled():
            flight.task.exception()  # everyone who waits gets it, and there may be nobody

    def _end(self, key: Hashable, flight: _Flight[T]) -> None:
        """Cancels work that nobody waits for; who comes now begins anew."""
        flight.task.cancel()
        if self._flights.get(key) is flight:
            del self._flights[key]
