"""Verdicts that executors share, on a real Redis; and a store that fails, which is a miss and nothing worse."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from pydantic import ValidationError
from redis.asyncio import Redis

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.common.shared_store import RedisStore, Stored
from services.executor.settings import ExecutorSettings
from services.executor.verdict_cache import KEY_PREFIX
from tests.executor.conftest import DOUBLE, Executor, started
from tests.redis_server import free_port

WRONG = "def double(x):\n    return x\n"
needs_redis = pytest.mark.redis


@pytest.fixture
async def store(redis: Redis, redis_url: str) -> AsyncIterator[RedisStore]:
    store = RedisStore(redis_url, KEY_PREFIX, 600, "verdicts")
    yield store
    await store.stop()


async def known(executor: Executor, code: str) -> wire.ExecuteResponse:
    return await executor.grade(code, fresh=False)


@needs_redis
async def test_bytes_come_back_with_the_time_they_are_good_for(store: RedisStore, redis: Redis) -> None:
    assert await store.get("key") is None
    await store.put("key", b"\0\xffbytes")
    found = await store.get("key")

    assert found is not None
    assert found.data == b"\0\xffbytes"
    assert 0 < found.seconds <= 600
    assert await redis.keys() == [f"{KEY_PREFIX}key".encode()]


@needs_redis
async def test_what_never_ends_is_not_ours(store: RedisStore, redis: Redis) -> None:
    await redis.set(f"{KEY_PREFIX}key", b"for ever")
    assert await store.get("key") is None
    await redis.pexpire(f"{KEY_PREFIX}key", 100_000)
    assert isinstance(await store.get("key"), Stored)


@needs_redis
async def test_executors_share_verdicts(data_dir: Path, redis: Redis, redis_url: str) -> None:
    async with started("process", data_dir, verdict_cache_url=redis_url) as one:
        first = await known(one, DOUBLE)
        wrong = await known(one, WRONG)
        fresh = await one.grade("# fresh\n" + DOUBLE, fresh=True)
    assert [response.cached for response in (first, wrong, fresh)] == [False] * 3
    keys = await redis.keys()
    assert len(keys) == 2
    assert all([0 < await redis.ttl(key) <= 600 for key in keys])
    async with started("process", data_dir, verdict_cache_url=redis_url) as other:
        again = await known(other, DOUBLE)
        await redis.flushall()
        in_memory = await known(other, DOUBLE)
        ended = other.gauge("codearena_sandbox_exits_total", backend="process", reason="ok")

    assert again.cached
    assert (again.outcome, again.tests, again.efficiency) == (first.outcome, first.tests, first.efficiency)
    assert in_memory == again
    assert ended == 0


@needs_redis
@pytest.mark.parametrize("kind", ["nonsense", "empty", "of another suite"])
async def test_what_is_no_verdict_of_the_suite_is_not_believed(
    data_dir: Path, redis: Redis, redis_url: str, kind: str
) -> None:
    async with started("process", data_dir, verdict_cache_url=redis_url) as executor:
        await known(executor, WRONG)
    (key,) = await redis.keys()
    forged = wire.ExecuteResponse(
        outcome=core.OUTCOME_PASSED, backend=core.SANDBOX_BACKEND_PROCESS, tests=[core.TestResult(passed=True)]
    )
    data = {"nonsense": b"\xff\xfe", "empty": b"", "of another suite": forged.SerializeToString()}[kind]
    await redis.set(key, data, keepttl=True)
    async with started("process", data_dir, verdict_cache_url=redis_url) as executor:
        response = await known(executor, WRONG)

        assert (response.outcome, response.cached) == (core.OUTCOME_TESTS_FAILED, False)
        assert await redis.get(key) != data, "the verdict takes its place"


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[str]:
    """A server that takes connections and never says a word."""
    held: list[asyncio.StreamWriter] = []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in held:
            writer.close()


@contextlib.asynccontextmanager
async def nobody() -> AsyncIterator[str]:
    """An address at which nothing listens."""
    yield f"redis://127.0.0.1:{free_port()}"


@pytest.mark.parametrize("away", [silent_server, nobody])
async def test_a_store_that_fails_is_a_miss(data_dir: Path, away: type) -> None:
    async with away() as url, started("process", data_dir, verdict_cache_url=url) as executor:
        codes = [WRONG + f"# {number}\n" for number in range(4)]
        responses = [await known(executor, code) for code in codes]
        again = await known(executor, codes[0])

    assert {response.outcome for response in responses} == {core.OUTCOME_TESTS_FAILED}
    assert [response.cached for response in responses] == [False] * 4
    assert again.cached


async def test_a_store_that_fails_is_left_alone_for_a_while_and_said_once() -> None:
    asked = 0

    async def count(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked += 1
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    store = RedisStore(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}", KEY_PREFIX, 600, "verdicts")
    with structlog.testing.capture_logs() as logs:
        for number in range(20):
            assert await store.get(str(number)) is None
            await store.put(str(number), b"")
    await store.stop()
    server.close()

    assert asked == 1
    assert [entry["log_level"] for entry in logs if "shared store" in entry["event"]] == ["warning"]


def test_an_address_that_is_none(data_dir: Path) -> None:
    with pytest.raises(ValidationError, match="must begin with redis://"):
        ExecutorSettings(verdict_cache_url="http://127.0.0.1")
    secret = ExecutorSettings(verdict_cache_url="redis://:hush@127.0.0.1")  # pragma: allowlist secret
    assert "hush" not in repr(secret)
