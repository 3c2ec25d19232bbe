"""Equal work at the same time is done once, for as long as somebody waits."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from services.common.errors import StatusError
from services.executor.flights import Flights


class Work:
    """Counts its beginnings and cancellations; ends when it is let go."""

    def __init__(self) -> None:
        self.begun = self.cancelled = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.begun += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return self.begun


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_it_is_done_once_and_the_first_one_is_told_so() -> None:
    flights, work = Flights[int](), Work()
    joined = [asyncio.create_task(flights.join("key", work)) for _ in range(5)]
    await settle()
    work.go.set()

    results = await asyncio.gather(*joined)

    assert work.begun == 1
    assert sorted(results) == [(1, False)] * 4 + [(1, True)]


async def test_other_keys_and_later_ones_begin_anew() -> None:
    flights, work = Flights[int](), Work()
    work.go.set()
    assert await flights.join("a", work) == (1, True)
    assert await flights.join("a", work) == (2, True)
    assert await flights.join("b", work) == (3, True)


async def test_one_who_leaves_does_not_end_it_for_the_others() -> None:
    flights, work = Flights[int](), Work()
    first, second = (asyncio.create_task(flights.join("key", work)) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    assert work.cancelled == 0
    work.go.set()

    assert await second == (1, True)
    assert first.cancelled()


async def test_the_last_one_who_leaves_ends_it() -> None:
    flights, work = Flights[int](), Work()
    joined = [asyncio.create_task(flights.join("key", work)) for _ in range(3)]
    await settle()
    for task in joined:
        task.cancel()
    await settle()

    assert (work.begun, work.cancelled) == (1, 1)


async def test_one_who_comes_after_that_begins_anew() -> None:
    flights, work = Flights[int](), Work()
    leaving = asyncio.create_task(flights.join("key", work))
    await settle()
    leaving.cancel()
    await asyncio.sleep(0)
    coming = asyncio.create_task(flights.join("key", work))
    await settle()
    work.go.set()

    assert await coming == (2, True)
    assert work.cancelled == 1


async def test_a_failure_is_everybodys_and_is_not_kept() -> None:
    flights, work = Flights[int](), Work()
    work.error = ValueError("it cannot be done")
    joined = [asyncio.create_task(flights.join("key", work)) for _ in range(2)]
    await settle()
    work.go.set()
    for task in joined:
        with pytest.raises(ValueError, match="cannot be done"):
            await task

    work.error = None
    assert await flights.join("key", work) == (2, True)


async def test_at_the_end_those_who_wait_are_told() -> None:
    flights, work = Flights[int](), Work()
    waiting = asyncio.create_task(flights.join("key", work))
    await settle()
    await flights.stop()

    with pytest.raises(StatusError) as caught:
        await waiting
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert work.cancelled == 1
