"""Verdicts that are known: which, for how long, and what an equal program costs then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.executor.sandbox import BackendInfo
from services.executor.suites import Suites
from services.executor.verdict_cache import (
    CacheLimits,
    VerdictCache,
    judge_digest,
    read_verdict,
    repeated,
    verdict_key,
)
from tests.executor.conftest import DOUBLE, Executor, double_suite, refused, started, until

PROCESS = core.SANDBOX_BACKEND_PROCESS
WRONG = "def double(x):\n    return x\n"
SLEEPY = "import time\ntime.sleep(1)\n" + DOUBLE


@pytest.fixture(scope="module")
async def executor(data_dir: Path) -> AsyncIterator[Executor]:
    """An executor whose verdicts are those of this module's tests."""
    async with started("process", data_dir) as running:
        yield running


class Counted:
    """What changes while a test runs."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._before = self._now()

    def _now(self) -> dict[str, float]:
        gauge = self._executor.gauge
        starts = "codearena_sandbox_start_duration_seconds_count"
        return {
            "sandboxes": sum(gauge(starts, backend="process", path=path) or 0 for path in ("warm", "cold")),
            "hits": gauge("codearena_verdict_cache_total", result="hit") or 0,
            "misses": gauge("codearena_verdict_cache_total", result="miss") or 0,
            "ended": sum(
                gauge("codearena_sandbox_exits_total", backend="process", reason=reason) or 0
                for reason in ("ok", "nonzero", "timeout", "oom", "output")
            ),
        }

    def __call__(self, name: str) -> float:
        return self._now()[name] - self._before[name]


@pytest.fixture
async def counted(executor: Executor) -> Counted:
    """Counts from here on, with the reference of the usual suite measured."""
    await executor.grade(DOUBLE)
    return Counted(executor)


async def known(executor: Executor, code: str, suite: wire.Suite | None = None) -> wire.ExecuteResponse:
    """Grades like a client that does not ask for a fresh verdict."""
    return await executor.grade(code, suite, fresh=False)


async def test_an_equal_program_gets_the_same_verdict_without_a_sandbox(executor: Executor, counted: Counted) -> None:
    first = await known(executor, "# equal\n" + DOUBLE)
    again = await known(executor, "# equal\n" + DOUBLE)

    assert (first.outcome, first.cached, again.cached) == (core.OUTCOME_PASSED, False, True)
    assert first.HasField("efficiency")
    assert first.stages.execute.ToNanoseconds() > 0
    assert again.stages == wire.StageTimes()
    assert repeated(first) == again
    assert (counted("sandboxes"), counted("ended")) == (1, 1)
    assert (counted("hits"), counted("misses")) == (1, 1)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (WRONG, core.OUTCOME_TESTS_FAILED),
        ("def double(x) return x\n", core.OUTCOME_COMPILE_ERROR),
        ("import os\ndef double(x):\n    os._exit(3)\n", core.OUTCOME_CRASHED),
        ("def double(x):\n    return [0] * 10**9\n", core.OUTCOME_OUT_OF_MEMORY),
        ("def double(x):\n    print('x' * (2 << 20))\n", core.OUTCOME_OUTPUT_LIMIT_EXCEEDED),
        ("def double(x):\n    while True: pass\n", core.OUTCOME_TIMED_OUT),
    ],
)
async def test_whatever_became_of_it_is_known(executor: Executor, code: str, outcome: int) -> None:
    suite = double_suite(cpu_seconds=0.2, wall_seconds=10)
    first = await known(executor, code, suite)
    again = await known(executor, code, suite)

    assert (first.outcome, again.outcome) == (outcome, outcome)
    assert (first.cached, again.cached) == (False, True)
    assert repeated(first) == again


async def test_what_elapsed_time_stopped_is_not_known(executor: Executor) -> None:
    suite = double_suite(cpu_seconds=1, wall_seconds=0.2)
    asleep = "import time\ndef double(x):\n    time.sleep(5)\n"
    for _ in range(2):
        response = await known(executor, asleep, suite)
        assert (response.outcome, response.cached) == (core.OUTCOME_TIMED_OUT, False)


@pytest.mark.parametrize("other", [DOUBLE + "\n", DOUBLE.replace("    ", "  "), DOUBLE.replace("\n", "\r\n")])
async def test_only_the_very_same_text_is_equal(executor: Executor, other: str) -> None:
    await known(executor, DOUBLE)
    assert not (await known(executor, other)).cached


async def test_another_suite_is_another_verdict(executor: Executor) -> None:
    suite = double_suite()
    suite.cases[0].expected_literal = "5"
    suite.cases[0].call = "double(2.5)"
    assert (await known(executor, WRONG)).outcome == core.OUTCOME_TESTS_FAILED
    response = await known(executor, WRONG, suite)
    assert (response.outcome, response.cached) == (core.OUTCOME_TESTS_FAILED, False)
    assert response.tests[0].actual == "2.5"


async def test_a_fresh_verdict_is_graded_and_not_kept(executor: Executor, counted: Counted) -> None:
    code = "# fresh\n" + DOUBLE
    for _ in range(2):
        assert not (await executor.grade(code, fresh=True)).cached
    assert counted("sandboxes") == 2
    assert not (await known(executor, code)).cached
    assert not (await executor.grade(code, fresh=True)).cached
    assert counted("sandboxes") == 4
    assert (counted("hits"), counted("misses")) == (0, 1)


async def test_equal_programs_at_the_same_time_are_graded_once(executor: Executor, counted: Counted) -> None:
    responses = await asyncio.gather(*(known(executor, SLEEPY) for _ in range(8)))

    assert {response.outcome for response in responses} == {core.OUTCOME_PASSED}
    assert sorted(response.cached for response in responses) == [False] + [True] * 7
    assert (counted("sandboxes"), counted("ended")) == (1, 1)
    assert (counted("hits"), counted("misses")) == (7, 1)


async def test_fresh_ones_at_the_same_time_are_graded_each(executor: Executor, counted: Counted) -> None:
    await asyncio.gather(*(executor.grade(WRONG, fresh=True) for _ in range(3)))
    assert counted("sandboxes") == 3


async def test_two_runs_do_not_wait_for_each_other(executor: Executor, counted: Counted) -> None:
    code = "# two runs\n" + SLEEPY
    responses = await asyncio.gather(*(executor.grade(code, fresh=False, run_id=run) for run in ("a", "b")))

    assert [response.cached for response in responses] == [False, False]
    assert counted("sandboxes") == 2
    assert (await executor.grade(code, fresh=False, run_id="c")).cached


def begin(executor: Executor, code: str, timeout: float = 60) -> grpc.aio.UnaryUnaryCall:
    return executor.stub.Execute(wire.ExecuteRequest(code=code, suite=double_suite()), timeout=timeout)


def busy(executor: Executor) -> bool:
    return not executor.all_free()


async def test_a_deadline_is_that_of_its_own_call(executor: Executor, counted: Counted) -> None:
    await until(executor.all_free)
    hasty, patient = (begin(executor, "# deadlines\n" + SLEEPY, timeout) for timeout in (0.6, 60))
    error = await refused(hasty)

    assert error.code is grpc.StatusCode.DEADLINE_EXCEEDED
    response = await patient
    assert (response.outcome, response.cached) == (core.OUTCOME_PASSED, False)
    assert counted("sandboxes") == 1


async def test_the_last_one_who_leaves_ends_the_grading(executor: Executor, counted: Counted) -> None:
    await until(executor.all_free)
    endless = "import time\ntime.sleep(20)\n" + DOUBLE
    calls = [begin(executor, endless) for _ in range(3)]
    await until(lambda: busy(executor))
    for call in calls[:2]:
        call.cancel()
    await asyncio.gather(*calls[:2], return_exceptions=True)
    assert busy(executor)
    calls[2].cancel()

    await until(executor.all_free)
    assert (counted("sandboxes"), counted("ended")) == (1, 0)


async def test_a_status_is_not_kept(data_dir: Path) -> None:
    async with started("process", data_dir, slots=1, queue=0) as executor:
        await until(executor.none_left)
        await executor.grade(DOUBLE)
        await until(executor.none_left)
        holding = begin(executor, "import time\ntime.sleep(20)\n")
        await until(lambda: busy(executor))
        for _ in range(2):
            error = await refused(known(executor, WRONG))
            assert error.code is grpc.StatusCode.RESOURCE_EXHAUSTED
        holding.cancel()
        await until(executor.none_left)

        response = await known(executor, WRONG)

        assert (response.outcome, response.cached) == (core.OUTCOME_TESTS_FAILED, False)
        failed = executor.gauge("codearena_sandbox_exits_total", backend="process", reason="infra_error")
        assert failed == 0


async def test_without_entries_each_program_is_graded(data_dir: Path) -> None:
    async with started("process", data_dir, verdict_cache_entries=0) as executor:
        responses = [await known(executor, WRONG) for _ in range(2)]
        assert [response.cached for response in responses] == [False, False]
        assert executor.gauge("codearena_verdict_cache_total", result="hit") == 0


# The cache by itself.


def a_verdict(number: int, padding: int = 0) -> wire.ExecuteResponse:
    return wire.ExecuteResponse(outcome=core.OUTCOME_PASSED, load_error=f"{number:03}" + "x" * padding)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_was_used_last_is_kept() -> None:
    cache = VerdictCache(CacheLimits(3, 1 << 20, 60))
    for number in range(3):
        cache.put(str(number), a_verdict(number))
    assert cache.get("0") is not None
    cache.put("3", a_verdict(3))

    assert [cache.get(str(number)) is not None for number in range(4)] == [True, False, True, True]


def test_bytes_are_bounded_too() -> None:
    cache = VerdictCache(CacheLimits(1000, 100_000, 60))
    for number in range(50):
        cache.put(str(number), a_verdict(number, padding=10_000))
    kept = [number for number in range(50) if cache.get(str(number)) is not None]

    assert kept == list(range(50 - len(kept), 50))
    assert 5 <= len(kept) <= 9


def test_one_that_is_larger_than_all_may_be_is_not_kept() -> None:
    cache = VerdictCache(CacheLimits(1000, 10_000, 60))
    cache.put("small", a_verdict(1))
    cache.put("large", a_verdict(2, padding=20_000))

    assert cache.get("large") is None
    assert cache.get("small") is not None


def test_the_old_verdict_of_a_key_makes_room() -> None:
    cache = VerdictCache(CacheLimits(1000, 10_000, 60))
    for number in range(20):
        cache.put("same", a_verdict(number, padding=6_000))
    found = cache.get("same")
    assert found is not None
    assert found.load_error.startswith("019")


def test_age_is_bounded_however_often_it_is_used() -> None:
    clock = Clock()
    cache = VerdictCache(CacheLimits(10, 1 << 20, 60), clock)
    cache.put("own", a_verdict(1))
    cache.put("elsewhere", a_verdict(2), seconds=10)
    cache.put("forged", a_verdict(3), seconds=10_000)
    clock.now += 9
    assert all(cache.get(key) for key in ("own", "elsewhere", "forged"))
    clock.now += 1
    assert cache.get("elsewhere") is None
    clock.now += 49
    assert all(cache.get(key) for key in ("own", "forged"))
    clock.now += 1
    assert not any(cache.get(key) for key in ("own", "forged"))


def test_what_is_returned_may_be_changed() -> None:
    cache = VerdictCache(CacheLimits(10, 1 << 20, 60))
    cache.put("key", a_verdict(1))
    found = cache.get("key")
    assert found is not None
    found.load_error = "changed"
    again = cache.get("key")
    assert again is not None
    assert again.load_error == "001"


# What decides a verdict.


def test_keys_differ_in_whatever_decides_a_verdict() -> None:
    suite, other = Suites().check(double_suite()), Suites().check(double_suite(cpu_seconds=0.9))
    backends = [
        BackendInfo(PROCESS, "", isolated=True, digest="one"),
        BackendInfo(PROCESS, "", isolated=True, digest="two"),
        BackendInfo(core.SANDBOX_BACKEND_DOCKER, "", isolated=True, digest="one"),
    ]
    keys = {verdict_key(DOUBLE, suite, judge_digest(backend)) for backend in backends}
    keys |= {verdict_key(code, suite, judge_digest(backends[0])) for code in (WRONG, DOUBLE + " ")}
    keys.add(verdict_key(DOUBLE, other, judge_digest(backends[0])))

    assert len(keys) == 6
    assert verdict_key(DOUBLE, suite, judge_digest(backends[0])) in keys


async def test_only_a_verdict_of_the_suite_and_backend_is_read(executor: Executor) -> None:
    suite = Suites().check(double_suite())
    good = await executor.grade(DOUBLE)
    assert read_verdict(good.SerializeToString(), suite, PROCESS) == good

    empty, elsewhere, short = wire.ExecuteResponse(), wire.ExecuteResponse(), wire.ExecuteResponse()
    elsewhere.CopyFrom(good)
    elsewhere.backend = core.SANDBOX_BACKEND_DOCKER
    short.CopyFrom(good)
    del short.tests[0]
    for data in (b"", b"\xff\xff", *(bad.SerializeToString() for bad in (empty, elsewhere, short))):
        with pytest.raises(ValueError, match="not a"):
            read_verdict(data, suite, PROCESS)


@pytest.mark.docker
async def test_verdicts_of_containers_are_known_too(docker_engine: object, data_dir: Path) -> None:
    async with started("docker", data_dir) as executor:
        responses = [await known(executor, WRONG) for _ in range(2)]

    assert {response.backend for response in responses} == {core.SANDBOX_BACKEND_DOCKER}
    assert [response.cached for response in responses] == [False, True]
