"""The parts that bound calls to a model: breaker, budget, cache, fences."""

import asyncio

import pytest

from services.judge import prompt
from services.judge.breaker import CircuitBreaker
from services.judge.budget import TokenBudget
from services.judge.cache import SingleFlightCache


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def opened(clock, failures=2):
    breaker = CircuitBreaker(2, 10.0, clock)
    for _ in range(failures):
        assert breaker.admit()
        breaker.failed()
    return breaker


def test_a_breaker_opens_after_failures_in_a_row():
    assert not opened(Clock(), 1).is_open
    assert opened(Clock(), 2).is_open


def test_a_success_between_failures_keeps_it_closed():
    breaker = opened(Clock(), 1)
    breaker.succeeded()
    breaker.failed()
    assert breaker.admit()


def test_an_open_breaker_admits_one_probe_after_the_pause():
    clock = Clock()
    breaker = opened(clock)
    assert not breaker.admit()
    clock.now += 10.0
    assert [breaker.admit() for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(("report", "admitted"), [("succeeded", True), ("failed", False)])
def test_the_probe_decides(report, admitted):
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10.0
    assert breaker.admit()
    getattr(breaker, report)()
    assert breaker.admit() is admitted


def test_an_abandoned_probe_gives_its_place_to_another():
    clock = Clock()
    breaker = opened(clock)
    clock.now += 10.0
    assert breaker.admit()
    breaker.abandoned()
    assert breaker.admit()


def test_a_budget_is_for_the_last_hour():
    clock = Clock()
    budget = TokenBudget(100, clock)
    budget.spend(60)
    assert not budget.exhausted()
    clock.now += 120
    budget.spend(40)
    assert budget.exhausted()
    clock.now += 3600 - 30
    assert not budget.exhausted()


def test_no_budget_is_never_exhausted():
    budget = TokenBudget(None, Clock())
    budget.spend(10**12)
    assert not budget.exhausted()


async def produce(value, calls):
    calls.append(value)
    await asyncio.sleep(0)
    return value


async def test_a_cache_forgets_what_was_used_longest_ago():
    cache, calls = SingleFlightCache(2), []
    for key in ("a", "b", "a", "c", "a", "b"):
        assert await cache.get(key, lambda key=key: produce(key, calls)) == key
    assert calls == ["a", "b", "c", "b"]


async def test_a_failure_reaches_everyone_and_is_not_kept():
    cache = SingleFlightCache(2)
    attempts = []

    async def fail():
        attempts.append(1)
        await asyncio.sleep(0)
        raise RuntimeError("no")

    results = await asyncio.gather(*(cache.get("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [RuntimeError] * 3
    assert len(attempts) == 1
    assert await cache.get("a", lambda: produce(1, [])) == 1


async def test_closing_a_cache_ends_what_is_under_way():
    cache = SingleFlightCache(2)
    waiting = asyncio.create_task(cache.get("a", lambda: asyncio.sleep(60)))
    await asyncio.sleep(0)
    await cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_lists_of_texts_do_not_share_a_key():
    keys = {prompt.content_key(*parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""))}
    assert len(keys) == 4


def test_a_fence_has_the_nonce_on_both_sides_and_no_empty_blocks():
    assert prompt.fence("n1", {"A": "x", "B": " "}) == "NONCE is n1\n\n<<<A n1\nx\nn1 A>>>"


def test_the_digest_is_of_the_text():
    first, second = prompt.load("judge.v1"), prompt.load("fixer.v1")
    assert first.digest != second.digest
    assert len(first.digest) == 16
