"""The warm stock by a scripted clock and backend: as many as are asked for, no more at once than allowed, none bad."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from services.executor.backoff import Backoff
from services.executor.demand import Demand
from services.executor.sandbox import SandboxLost
from services.executor.stock import Stock, StockOptions
from tests.executor.scripted import Observed, ScriptedBackend, settle, until


class Store:
    """A stock with its backend, observer and clock."""

    def __init__(self, minimum: int = 0, maximum: int | None = None, starting: int = 10, **options: float) -> None:
        self.now = 1000.0
        self.backend = ScriptedBackend()
        self.seen = Observed()
        most = minimum if maximum is None else maximum
        chosen = StockOptions(minimum, most, starting, **{"tick_seconds": 0.001} | options)
        self.stock = Stock(self.backend, chosen, self.seen, lambda: self.now)
        self.gate = asyncio.Event()
        self.gate.set()
        self.backend.creating = self.gate.wait  # type: ignore[assignment]
        self.stock.start()

    def take(self) -> asyncio.Task[Any]:
        self.stock.expect()
        return asyncio.create_task(self.stock.take())

    async def ticks(self) -> None:
        """Lets the stock look after itself a few times."""
        for _ in range(5):
            await asyncio.sleep(0.002)


async def numbers(*tasks: asyncio.Task[Any]) -> list[int]:
    return [sandbox.number for sandbox in await asyncio.gather(*tasks)]


async def test_one_who_finds_none_ready_takes_over_a_creation_under_way() -> None:
    store = Store(minimum=1, starting=1)
    store.gate.clear()
    await settle()
    assert store.backend.begun == 1
    takers = [store.take() for _ in range(3)]
    await settle()
    assert store.backend.begun == 1

    store.gate.set()

    assert await numbers(*takers) == [1, 2, 3], "in the order in which they came"
    assert store.backend.most_under_way == 1
    assert store.seen.starts == [False] * 3
    await store.stock.stop()


async def test_no_more_are_made_at_once_than_allowed() -> None:
    store = Store(minimum=8, maximum=20, starting=3)
    store.gate.clear()
    takers = [store.take() for _ in range(10)]
    await settle()
    assert (store.backend.under_way, store.seen.warming) == (3, 3)
    store.gate.set()
    await asyncio.gather(*takers)
    await until(lambda: store.seen.idle >= 8)
    assert store.backend.most_under_way == 3
    await store.stock.stop()


async def test_one_who_gives_up_leaves_what_was_made_for_him() -> None:
    store = Store(maximum=1)
    store.gate.clear()
    first, second = store.take(), store.take()
    await settle()
    first.cancel()
    await settle()
    store.gate.set()
    assert await numbers(second) == [1]
    await until(lambda: (store.seen.idle, store.backend.destroyed) == (1, [3]))
    assert await numbers(store.take()) == [2]
    await store.stock.stop()


async def test_one_who_gave_up_is_not_counted_any_more() -> None:
    store = Store(maximum=0)
    store.gate.clear()
    first = store.take()
    await settle()
    first.cancel()
    await settle()
    second = store.take()
    await settle()
    assert store.backend.begun == 1
    store.gate.set()
    assert await numbers(second) == [1]
    await store.stock.stop()


async def test_what_nobody_wants_any_more_and_does_not_fit_is_destroyed() -> None:
    store = Store(maximum=0)
    store.gate.clear()
    taker = store.take()
    await settle()
    taker.cancel()
    store.gate.set()
    await until(lambda: store.backend.destroyed == [1])
    assert store.seen.idle == 0
    await store.stock.stop()


async def test_a_burst_is_ready_for_the_next_one_and_forgotten_slowly() -> None:
    store = Store(minimum=2, maximum=12, maximum_age_seconds=1e9)
    await until(lambda: store.seen.idle == 2)
    await asyncio.gather(*(store.take() for _ in range(8)))
    await until(lambda: store.seen.idle == 10)

    store.now += 30
    await store.ticks()
    assert store.seen.idle >= 8
    await store.stock.stop()


async def test_a_surplus_shrinks_slowly() -> None:
    store = Store(minimum=2, maximum=40, maximum_age_seconds=1e9)
    await asyncio.gather(*(store.take() for _ in range(24)))
    await until(lambda: store.seen.idle == 30)
    store.now += 3600
    sizes = []
    for _ in range(20):
        await store.ticks()
        sizes.append(store.seen.idle)
        store.now += 5
    assert sizes == [26, 26, 23, 23, 20, 20, 17, 17, 15, 15, 13, 13, 11, 11, 9, 9, 8, 8, 7, 7]
    await store.stock.stop()


async def test_however_much_is_asked_for_there_is_a_maximum() -> None:
    store = Store(minimum=1, maximum=5)
    await asyncio.gather(*(store.take() for _ in range(50)))
    await until(lambda: store.seen.idle == 5)
    await store.ticks()
    assert (store.seen.idle, store.seen.warming) == (5, 0)
    await store.stock.stop()
    assert len(store.backend.living) == 50, "those in use belong to their takers"


async def test_while_none_can_be_made_the_engine_is_tried_less_and_less() -> None:
    store = Store(minimum=4, starting=2, first_pause_seconds=0.002, longest_pause_seconds=3600)
    store.backend.well = False
    await store.ticks()
    assert store.backend.begun == 2, "the clock stands still, so that the first pause goes on"
    for pauses in range(8):
        store.now += 0.002 * 2**pauses / 4
        await store.ticks()
        assert store.backend.begun == 2 + 2 * pauses, "this pause is twice as long as the one before"
        store.now += 0.002 * 2**pauses
        await store.ticks()
        assert store.backend.begun == 4 + 2 * pauses
    await store.stock.stop()


async def test_one_who_asks_while_none_can_be_made_hears_why_and_when_it_works_gets_one_at_once() -> None:
    store = Store(minimum=1, starting=1, first_pause_seconds=3600.0, longest_pause_seconds=3600.0)
    store.backend.well = False
    await until(lambda: store.backend.begun == 1 and store.seen.warming == 0)
    for _ in range(3):
        with pytest.raises(SandboxLost, match="the engine is away"):
            await store.take()
    assert store.backend.begun == 4, "one try for each"

    store.backend.well = True
    assert await numbers(store.take()) == [1]
    await until(lambda: store.seen.idle == 1)
    await store.stock.stop()


async def test_one_failure_is_nobodys_while_another_creation_is_under_way_for_him() -> None:
    store = Store(minimum=2, starting=2)
    outcomes = [asyncio.Event(), asyncio.Event()]

    async def create() -> None:
        mine = outcomes[store.backend.begun - 1]
        await mine.wait()
        if mine is outcomes[0]:
            raise SandboxLost("bad luck")

    store.backend.creating = create
    await settle()
    taker = store.take()
    outcomes[0].set()
    await settle()
    assert not taker.done()
    outcomes[1].set()
    assert await numbers(taker) == [1]
    await store.stock.stop()


async def test_a_bug_of_the_backend_reaches_the_one_who_waits() -> None:
    store = Store(maximum=0)

    async def create() -> None:
        raise ZeroDivisionError

    store.backend.creating = create
    with pytest.raises(ZeroDivisionError):
        await store.take()
    await store.stock.stop()


async def test_a_dead_sandbox_is_not_handed_out() -> None:
    store = Store(minimum=2, tick_seconds=3600)
    await until(lambda: store.seen.idle == 2)
    store.backend.dead = {2}
    assert await numbers(store.take()) == [1]
    await until(lambda: store.backend.destroyed == [2])
    await until(lambda: store.seen.idle == 2)
    await store.stock.stop()


async def test_a_dead_sandbox_is_replaced_before_anybody_asks() -> None:
    store = Store(minimum=2)
    await until(lambda: store.seen.idle == 2)
    store.backend.dead = {1, 2}
    await until(lambda: sorted(store.backend.living) == [3, 4])
    assert sorted(store.backend.destroyed) == [1, 2]
    await store.stock.stop()


async def test_an_aged_sandbox_is_not_handed_out() -> None:
    store = Store(minimum=1, maximum_age_seconds=100, tick_seconds=3600)
    await until(lambda: store.seen.idle == 1)
    store.now += 100
    assert await numbers(store.take()) == [2]
    await until(lambda: store.backend.destroyed == [1])
    await store.stock.stop()


async def test_aged_sandboxes_are_replaced_before_anybody_asks_and_not_all_at_once() -> None:
    store = Store(minimum=20, starting=20, maximum_age_seconds=100)
    await until(lambda: store.seen.idle == 20)
    store.now += 79
    await store.ticks()
    assert store.backend.destroyed == []
    store.now += 11
    await until(lambda: store.backend.destroyed != [])
    await until(lambda: store.seen.idle == 20 and store.seen.warming == 0)
    assert 1 <= len(store.backend.destroyed) < 20
    store.now += 10
    await until(lambda: set(range(1, 21)) <= set(store.backend.destroyed))
    await store.stock.stop()


def test_demand_is_what_is_asked_for_in_the_time_of_one_creation() -> None:
    fast, slow = Demand(0.0), Demand(0.0)
    for _ in range(100):
        fast.created(0.01)
        slow.created(2.0)
    for tick in range(1000):
        for demand in (fast, slow):
            demand.asked(tick / 10)
    assert fast.target(100.0) == 1
    assert 20 <= slow.target(100.0) <= 30


def test_a_group_at_once_counts_whole_and_fades() -> None:
    demand = Demand(0.0)
    assert demand.target(1000.0) == 0
    for _ in range(16):
        demand.asked(1000.0)
    targets = [demand.target(1000.0 + seconds) for seconds in (0, 60, 300, 600, 3000)]
    assert targets == [20, 16, 7, 3, 0]


def test_a_creation_without_duration_is_no_division_by_zero() -> None:
    demand = Demand(0.0)
    for _ in range(1000):
        demand.created(0.0)
        demand.asked(0.0)
    assert demand.target(0.0) == 1250


def test_pauses_double_up_to_the_longest_and_begin_anew_after_a_success() -> None:
    backoff = Backoff(1.0, 10.0)
    now, pauses = 100.0, []
    for _ in range(2000):
        pause = backoff.failed(now)
        assert pause is not None
        assert backoff.paused(now + pause - 0.001)
        assert backoff.failed(now + pause / 2) is None, "it is the same trouble"
        now += pause
        assert not backoff.paused(now)
        pauses.append(pause)
    for pause, longest in zip(pauses, [1, 2, 4, 8, *[10] * 1996], strict=True):
        assert longest / 2 <= pause <= longest
    backoff.failed(now)
    backoff.succeeded()
    assert not backoff.paused(now)
    again = backoff.failed(now)
    assert again is not None
    assert again <= 1.0
