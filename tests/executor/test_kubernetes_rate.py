"""The rate of calls to the API server, on a clock of the test's own."""

from __future__ import annotations

import pytest

from services.executor.kubernetes_rate import RateLimit


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> RateLimit:
    return RateLimit(10.0, 5, clock, clock.sleep)


async def calls(limit: RateLimit, count: int) -> None:
    for _ in range(count):
        await limit.wait()


async def test_a_burst_passes_and_then_calls_come_at_their_rate(limit: RateLimit, clock: Clock) -> None:
    await calls(limit, 5)
    assert clock.now == 100.0
    await calls(limit, 20)
    assert clock.now == pytest.approx(102.0)


async def test_no_more_than_a_burst_is_saved_up(limit: RateLimit, clock: Clock) -> None:
    clock.now += 1000.0
    await calls(limit, 15)
    assert clock.now == pytest.approx(1101.0)


async def test_everybody_waits_where_the_server_asks_for_it(limit: RateLimit, clock: Clock) -> None:
    limit.hold(3.0)
    await calls(limit, 1)
    assert clock.now == pytest.approx(103.1)
