"""Making sandboxes gives way to programs that run: for a moment, and never to the harm of one who waits."""

from __future__ import annotations

import pytest

from services.executor.courtesy import Courtesy, rest_seconds
from tests.executor.scripted import settle, until
from tests.executor.test_stock import Store

SLOW = 0.2  # seconds to make a sandbox


def test_a_program_that_begins_is_given_way_to_for_a_few_times_what_a_sandbox_costs_but_not_for_long() -> None:
    for refill, most in ((0.01, 0.1), (SLOW, 0.5), (60.0, 0.5)):
        courtesy = Courtesy()
        seconds = courtesy.working(1, refill, 100.0, pressed=False)
        assert 0 < seconds <= most
        assert courtesy.holds(100.0 + 0.99 * seconds)
        assert not courtesy.holds(100.0 + seconds)


def test_a_second_program_is_given_way_to_anew_and_one_that_ends_beside_another_is_not() -> None:
    courtesy = Courtesy()
    seconds = courtesy.working(1, SLOW, 100.0, pressed=False)
    assert courtesy.working(2, SLOW, 100.1, pressed=False) == seconds
    assert courtesy.working(1, SLOW, 100.15, pressed=False) == pytest.approx(seconds - 0.05)


def test_the_end_of_the_last_program_is_given_way_to_for_less() -> None:
    courtesy = Courtesy()
    begun = courtesy.working(1, SLOW, 100.0, pressed=False)
    ended = courtesy.working(0, SLOW, 100.01, pressed=False)
    assert ended == pytest.approx(rest_seconds(SLOW))
    assert 0 < ended < begun
    assert not courtesy.holds(100.01 + ended)


def test_nobody_is_given_way_to_while_others_wait_for_a_slot() -> None:
    courtesy = Courtesy()
    courtesy.working(1, SLOW, 100.0, pressed=False)
    assert courtesy.working(2, SLOW, 100.0, pressed=True) == 0
    assert not courtesy.holds(100.0)


async def slow_store() -> Store:
    """A stock of three ready sandboxes that took 0.2 s each to make."""
    store = Store(minimum=3, starting=3, tick_seconds=0.001)
    store.gate.clear()
    await settle()
    store.now += SLOW
    store.gate.set()
    await until(lambda: store.seen.idle == 3)
    return store


async def test_what_a_program_took_is_made_after_it() -> None:
    store = await slow_store()
    store.stock.working(1, pressed=False)
    assert store.stock.take_ready() is not None
    await store.ticks()
    assert (store.backend.begun, store.seen.idle) == (3, 2), "while it runs, none is made"

    store.now += 10
    await until(lambda: store.seen.idle == 3)
    await store.stock.stop()


async def test_it_is_made_at_once_while_others_wait_for_a_slot() -> None:
    store = await slow_store()
    store.stock.working(1, pressed=True)
    assert store.stock.take_ready() is not None
    await until(lambda: store.seen.idle == 3)
    await store.stock.stop()


async def test_it_is_made_at_once_when_it_was_the_last() -> None:
    store = await slow_store()
    store.stock.working(1, pressed=False)
    assert [store.stock.take_ready() is not None for _ in range(3)] == [True] * 3
    await until(lambda: store.seen.idle > 0)
    assert store.backend.begun > 3
    await store.stock.stop()


async def test_one_who_waits_for_a_sandbox_gets_one_made_though_programs_run() -> None:
    store = Store(minimum=0, maximum=0)
    store.stock.working(5, pressed=False)
    assert await store.take()
    await store.stock.stop()
