"""A bounded cache in which equal questions asked at the same time are asked once."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Found(Generic[T]):
    """A value.

    Attributes:
        value: It.
        is_new: Whether it was produced for this caller.
    """

    value: T
    is_new: bool


class SingleFlightCache(Generic[T]):
    """Keeps the values used last, by the content of the question. Failures are not kept.

    Args:
        max_entries: How many values are kept; 0 keeps none, and still asks equal questions once at a time.
    """

    def __init__(self, max_entries: int) -> None:
        self._max_entries = max_entries
        self._values: OrderedDict[str, T] = OrderedDict()
        self._flights: dict[str, asyncio.Task[T]] = {}

    async def get(self, key: str, produce: Callable[[], Awaitable[T]]) -> Found[T]:
        """Returns the value of a key, from the cache or from `produce`.

        A caller who is cancelled leaves the production to the others and to those who come later; it must be bounded in
        time by itself.

        Raises:
            Exception: What `produce` raised, to every caller who waits for it.
        """
        if key in self._values:
            self._values.move_to_end(key)
            return Found(self._values[key], is_new=False)
        flight = self._flights.get(key)
        is_new = flight is None
        if flight is None:
            flight = asyncio.create_task(self._produce(key, produce))
            self._flights[key] = flight
            flight.add_done_callback(_retrieve)
        return Found(await asyncio.shield(flight), is_new)

    async def close(self) -> None:
        """Ends what is under way."""
        flights = tuple(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def _produce(self, key: str, produce: Callable[[], Awaitable[T]]) -> T:
        try:
            value = await produce()
        finally:
            del self._flights[key]
        if self._max_entries:
            self._values[key] = value
            if len(self._values) > self._max_entries:
                self._values.popitem(last=False)
        return value


def _retrieve(flight: asyncio.Task[object]) -> None:
    """Marks an exception as seen: every caller who still waits gets it, and there may be none."""
    if not flight.cancelled():
        flight.exception()
