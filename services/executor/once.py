"""Work that is done once for all who ask for it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from services.executor.refusals import shutting_down

T = TypeVar("T")


class Once(Generic[T]):
    """Results by key, those used last; each is made by who asks first, and the others wait for it.

    Args:
        kept: How many results, and results in the making.
    """

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._known: OrderedDict[str, asyncio.Task[T]] = OrderedDict()

    async def get(
        self, key: str, make: Callable[[], Coroutine[Any, Any, T]], good: Callable[[T], bool] = lambda _: True
    ) -> T:
        """Returns a result. One that failed is made again.

        Args:
            key: Of the result.
            make: Makes it. It is not ended by those who give up waiting.
            good: Whether a known result will do.

        Raises:
            StatusError: UNAVAILABLE at shutdown; and whatever `make` raises.
        """
        task = self._known.get(key)
        if task is None or not _will_do(task, good):
            task = asyncio.create_task(make())
            self._known[key] = task
            while len(self._known) > self._kept:
                self._known.popitem(last=False)
        self._known.move_to_end(key)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # by `stop`; a cancelled handler would leave its client without a status
                raise shutting_down() from None
            raise

    async def stop(self) -> None:
        """Ends work under way."""
        for task in self._known.values():
            task.cancel()
        await asyncio.gather(*self._known.values(), return_exceptions=True)


def _will_do(task: asyncio.Task[T], good: Callable[[T], bool]) -> bool:
    if not task.done():
        return True
    return not task.cancelled() and task.exception() is None and good(task.result())
