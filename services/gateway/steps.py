"""Steps of a training run, read once and as they come."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from codearena import ArenaError, AsyncArenaClient, InvalidArgumentError, QueueFullError, StepRecord
from services.gateway.bodies import StepList, StepPoint
from services.gateway.link import ArenaLink

_MOST_STEPS = 50_000
_BATCH = 500
_POLL_SECONDS = 1.0
_PING_SECONDS = 15.0
_OVERLAP = timedelta(seconds=5)
"""Steps that were stored by several replicas may become visible a little out of order: that much is read again."""


def _point(step: StepRecord) -> StepPoint:
    point = StepPoint.model_validate(step)
    point.outcome, point.difficulty = step.outcome.lower(), step.difficulty.lower()
    return point


def _aware(after: datetime | None) -> datetime | None:
    if after is not None and after.utcoffset() is None:
        raise InvalidArgumentError("after: needs a time zone, such as 2026-01-31T12:00:00Z")
    return after


async def read_steps(client: AsyncArenaClient, run_id: str, after: datetime | None) -> StepList:
    """Returns steps that were stored after a time, oldest first, a bounded number of them.

    Raises:
        ArenaError: The arena refuses, or cannot.
    """
    start = _aware(after)
    found: list[StepPoint] = []
    async for step in client.export_steps(run_id, start):
        if start is not None and step.created_at <= start:
            continue
        if len(found) == _MOST_STEPS:
            return StepList(steps=found, truncated=True)
        found.append(_point(step))
    return StepList(steps=found, truncated=False)


class Streams:
    """Live streams of steps, of which there may be so many.

    Args:
        most: How many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0
        self._ended = asyncio.Event()

    def end(self) -> None:
        """Ends every stream, so that a server that stops need not wait for them."""
        self._ended.set()

    def open(self, link: ArenaLink, run_id: str, after: datetime | None) -> AsyncIterator[str]:
        """Returns the events of a new stream.

        Raises:
            QueueFullError: There are as many as there may be.
        """
        start = _aware(after)
        if self._open >= self._most:
            raise self._full()
        return self._events(link, run_id, start)

    def _full(self) -> QueueFullError:
        return QueueFullError(f"{self._most} streams are open; close one, or ask /api/steps", retry_after_seconds=5)

    async def _events(self, link: ArenaLink, run_id: str, after: datetime | None) -> AsyncIterator[str]:
        self._open += 1
        try:
            if self._open > self._most:  # others began since this one was let in
                raise self._full()
            newest = after or datetime.min.replace(tzinfo=UTC)
            seen: dict[tuple[str, int], datetime] = {}
            quiet = _PING_SECONDS  # so that a stream says at once that it is open
            while not self._ended.is_set():
                batch: list[StepPoint] = []
                start = None if newest.year == 1 else max(newest - _OVERLAP, after or newest - _OVERLAP)
                async for step in link.client.export_steps(run_id, start):
                    key = (step.episode_id, step.step)
                    if key in seen or (after is not None and step.created_at <= after):
                        continue
                    seen[key] = step.created_at
                    newest = max(newest, step.created_at)
                    batch.append(_point(step))
                    if len(batch) == _BATCH:
                        yield _event("steps", StepList(steps=batch, truncated=False).model_dump_json())
                        batch = []
                if batch:
                    yield _event("steps", StepList(steps=batch, truncated=False).model_dump_json())
                    quiet = 0.0
                elif quiet >= _PING_SECONDS:
                    yield _event("ping", "{}")
                    quiet = 0.0
                seen = {key: at for key, at in seen.items() if at >= newest - 2 * _OVERLAP}
                quiet += _POLL_SECONDS
                await self._pause()
        except ArenaError as error:
            problem = {"code": error.code.name, "message": error.message, "reason": error.reason}
            yield _event("error", json.dumps({"error": problem}))
        finally:
            self._open -= 1

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._ended.wait(), _POLL_SECONDS)
        except TimeoutError:
            return


def _event(name: str, data: str) -> str:
    return f"event: {name}\ndata: {data}\n\n"
