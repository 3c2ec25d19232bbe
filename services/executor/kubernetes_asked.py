"""What the API server has been asked to make."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Asked:
    """Calls that make something, each waited for to its end: a cancelled caller leaves nothing behind unseen."""

    def __init__(self) -> None:
        self._calls: set[asyncio.Task[Any]] = set()

    def begin(self, call: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begins a call. Who waits for it shields it (`asyncio.shield`)."""
        task = asyncio.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)
        return task

    async def end(self) -> None:
        """Waits until none is under way."""
        if self._calls:
            await asyncio.wait(self._calls)
