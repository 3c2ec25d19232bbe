"""Groups: several programs of one suite, graded side by side, each answered as it is ready."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from typing import Protocol

import grpc

from codearena.v1 import executor_service_pb2 as wire
from services.common.errors import StatusError
from services.common.validation import check_source
from services.executor.asks import Ask
from services.executor.suites import CheckedSuite
from services.executor.verdict_cache import repeated

_PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = (0.02, 2.0)


class VerdictSource(Protocol):
    """Gives verdicts; `services.executor.verdicts.Verdicts` is one."""

    async def of(self, code: str, suite: CheckedSuite, ask: Ask, *, fresh: bool = False) -> wire.ExecuteResponse:
        """Returns the verdict of a program.

        Raises:
            StatusError: There is none.
        """
        ...


class Groups:
    """Grades groups.

    A group has a bounded number of its programs in the queue, so that it does not fill it. One that finds the queue
    full waits inside the group and tries again, for as long as the call may take.

    Args:
        verdicts: Where verdicts come from.
        width: Programs of one group that run or wait for a slot at once.
    """

    def __init__(self, verdicts: VerdictSource, width: int) -> None:
        self._verdicts = verdicts
        self._width = width

    async def grade(
        self, codes: Sequence[str], suite: CheckedSuite, ask: Ask, *, fresh: bool
    ) -> AsyncGenerator[wire.ExecuteGroupResponse, None]:
        """Yields one response for each program, in the order they finish. Ends all of them if it is closed early.

        No more is begun than is taken: a slow reader holds up the rest of its group and nothing else.

        Args:
            codes: The programs; an invalid one fails alone. Equal ones are graded once.
            suite: What they are graded against.
            ask: On whose behalf, and until when.
            fresh: Grade each, equal ones too.
        """
        pending = _distinct(codes, fresh=fresh)
        running: set[asyncio.Task[list[wire.ExecuteGroupResponse]]] = set()
        done = running
        try:
            while True:
                for code, indexes in itertools.islice(pending, self._width - len(running)):
                    running.add(asyncio.create_task(self._one(code, indexes, suite, ask, fresh=fresh)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    for response in task.result():
                        yield response
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, *done, return_exceptions=True)

    async def _one(
        self, code: str, indexes: Sequence[int], suite: CheckedSuite, ask: Ask, *, fresh: bool
    ) -> list[wire.ExecuteGroupResponse]:
        try:
            check_source(code, f"codes[{indexes[0]}]")
            verdict = await self._patiently(code, suite, ask, fresh=fresh)
        except StatusError as error:
            return [wire.ExecuteGroupResponse(index=index, error=error.to_item()) for index in indexes]
        first = wire.ExecuteGroupResponse(index=indexes[0], response=verdict)
        others = [wire.ExecuteGroupResponse(index=index, response=repeated(verdict)) for index in indexes[1:]]
        return [first, *others]

    async def _patiently(self, code: str, suite: CheckedSuite, ask: Ask, *, fresh: bool) -> wire.ExecuteResponse:
        """Asks again while the queue is full."""
        until = time.monotonic() + _PATIENCE_SECONDS if ask.deadline is None else ask.deadline
        while True:
            try:
                return await self._verdicts.of(code, suite, ask, fresh=fresh)
            except StatusError as error:
                pause = _pause(error)
                if error.code is not grpc.StatusCode.RESOURCE_EXHAUSTED or time.monotonic() + pause >= until:
                    raise
            await asyncio.sleep(pause)


def _distinct(codes: Sequence[str], *, fresh: bool) -> Iterator[tuple[str, list[int]]]:
    """Yields each program with the places it has in the group."""
    if fresh:
        yield from ((code, [index]) for index, code in enumerate(codes))
        return
    places: dict[str, list[int]] = {}
    for index, code in enumerate(codes):
        places.setdefault(code, []).append(index)
    yield from places.items()


def _pause(error: StatusError) -> float:
    """Returns the seconds until the queue is worth another try; no two come back at the same moment."""
    least, most = _PAUSE_SECONDS
    return min(most, max(least, error.retry_after_seconds or 0.0)) * random.uniform(0.5, 1.5)  # noqa: S311
