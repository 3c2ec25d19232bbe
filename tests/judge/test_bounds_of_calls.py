"""The parts that bound calls to a model: breaker, budget, cache, fences."""

import asyncio
import re
import subprocess
import sys

import pytest

from services.judge import prompt
from services.judge.breaker import CircuitBreaker
from services.judge.budget import Account, Limit, Spending
from services.judge.cache import SingleFlightCache
from services.judge.limiter import AdaptiveLimiter, Full


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


def spend(account, tokens, usd=0.0, run_id=""):
    """Makes a call that costs what it may; returns whether it was allowed."""
    reservation = account.reserve(Spending(tokens, usd), run_id)
    if reservation is not None:
        reservation.settle(reservation.most)
    return reservation is not None


def test_a_budget_is_for_the_last_hour():
    clock = Clock()
    account = Account(hourly=Limit(tokens=100), clock=clock)
    assert spend(account, 60)
    clock.now += 120
    assert not spend(account, 41)
    assert spend(account, 40)
    assert not spend(account, 1)
    clock.now += 3600 - 30
    assert spend(account, 60)
    assert not spend(account, 1)


def test_a_budget_in_dollars():
    account = Account(hourly=Limit(usd=1.0))
    assert spend(account, 10**9, 0.75)
    assert not spend(account, 1, 0.5)
    assert spend(account, 1, 0.25)


def test_what_is_reserved_is_not_spent_twice_and_what_is_not_used_comes_back():
    account = Account(hourly=Limit(tokens=100))
    first = account.reserve(Spending(100), "")
    assert account.reserve(Spending(1), "") is None
    first.settle(Spending(10))
    assert spend(account, 90)
    assert not spend(account, 1)


def test_each_run_has_a_budget_of_its_own_and_it_does_not_come_back():
    clock = Clock()
    account = Account(per_run=Limit(tokens=100), clock=clock)
    assert spend(account, 100, run_id="a")
    assert not spend(account, 1, run_id="a")
    assert spend(account, 100, run_id="b")
    assert spend(account, 1000)
    clock.now += 10 * 3600
    assert not spend(account, 1, run_id="a")


def test_a_run_may_not_spend_what_the_hour_lacks():
    account = Account(hourly=Limit(tokens=100), per_run=Limit(tokens=80))
    assert spend(account, 80, run_id="a")
    assert not spend(account, 30, run_id="b")
    assert spend(account, 20, run_id="b")


def test_runs_without_end_are_forgotten_in_turn():
    account = Account(per_run=Limit(tokens=1))
    assert all(spend(account, 1, run_id=f"run-{number}") for number in range(5000))
    assert not spend(account, 1, run_id="run-4999")
    assert spend(account, 1, run_id="run-0")


def test_no_budget_is_never_exhausted():
    account = Account()
    assert all(spend(account, 10**12, 10.0**12, "a") for _ in range(3))


async def in_turn(limiter, began, release):
    async with limiter.turn() as at:
        began.append(at)
        await release.wait()
        limiter.answered()


async def test_a_limit_grows_while_it_is_reached_and_is_answered():
    limiter, began, release = AdaptiveLimiter(12, 100), [], asyncio.Event()
    calls = [asyncio.create_task(in_turn(limiter, began, release)) for _ in range(60)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (len(began), limiter.limit) == (8, 8)
    release.set()
    await asyncio.gather(*calls)
    assert limiter.limit > 8


async def test_a_limit_has_a_most():
    limiter, began, release = AdaptiveLimiter(2, 100), [], asyncio.Event()
    release.set()
    await asyncio.gather(*(in_turn(limiter, began, release) for _ in range(50)))
    assert limiter.limit == 2


async def test_a_round_of_refusals_halves_the_limit_once():
    clock = Clock()
    limiter = AdaptiveLimiter(64, 10, clock)
    for _ in range(5):
        limiter.refused(clock.now)
    assert limiter.limit == 4
    clock.now += 1
    limiter.refused(clock.now)
    assert limiter.limit == 2
    for _ in range(5):
        clock.now += 1
        limiter.refused(clock.now)
    assert limiter.limit == 1


async def test_turns_come_in_order_and_a_caller_who_leaves_frees_its_place():
    limiter, order, gate = AdaptiveLimiter(1, 2), [], asyncio.Event()

    async def call(name):
        async with limiter.turn():
            order.append(name)
            await gate.wait()

    first, second, third = (asyncio.create_task(call(name)) for name in "abc")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(Full):
        await call("d")
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)
    gate.set()
    await asyncio.gather(first, third)
    assert order == ["a", "c"]


async def produce(value, calls):
    calls.append(value)
    await asyncio.sleep(0)
    return value


async def test_a_cache_forgets_what_was_used_longest_ago():
    cache, calls = SingleFlightCache(2), []
    for key in ("a", "b", "a", "c", "a", "b"):
        assert (await cache.get(key, lambda key=key: produce(key, calls))).value == key
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
    assert (await cache.get("a", lambda: produce(1, []))).value == 1


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
    first, second = prompt.load("judge.v2"), prompt.load("fixer.v2")
    assert first.digest != second.digest
    assert len(first.digest) == 16


def test_a_nonce_depends_on_the_content_and_on_the_process():
    assert prompt.nonce_of("a") == prompt.nonce_of("a") != prompt.nonce_of("b")
    assert re.fullmatch(r"[0-9a-f]{16}", prompt.nonce_of("a"))
    code = "from services.judge import prompt; print(prompt.nonce_of('a'), prompt.content_key('a'))"
    nonce, key = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert nonce != prompt.nonce_of("a")
    assert key == prompt.content_key("a")
