"""A store that several replicas share: what one has found out, the others know. Optional; a failure in it is a miss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog
from pydantic import SecretStr
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

T = TypeVar("T")
_CALL_SECONDS = 0.05
_CONNECTIONS = 16
_PAUSE_SECONDS = 5.0
_QUIET_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Stored:
    """What a store holds under a key.

    Attributes:
        data: As it was put. From elsewhere: check it.
        seconds: How long it is still good for.
    """

    data: bytes
    seconds: float


class SharedStore(Protocol):
    """Keeps bytes by key. Both calls are short, and raise nothing: a store that fails has nothing and keeps nothing."""

    async def get(self, key: str) -> Stored | None:
        """Returns what is kept under a key; None if nothing is, or that cannot be told now."""
        ...

    async def put(self, key: str, data: bytes) -> None:
        """Keeps bytes under a key for a while, if it can."""
        ...

    async def stop(self) -> None:
        """Closes connections."""
        ...


class RedisStore:
    """A `SharedStore` on Redis.

    Whoever can write to it decides rewards: it must be as trusted as the services themselves.

    After a failure it is left alone for five seconds, so that a store which hangs costs a grading next to nothing.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py reads it.
        prefix: Before each key, so that several can share a Redis, e.g. "codearena:verdict:1:".
        age_seconds: How long an entry is kept.
        what: What is kept, for the log, e.g. "verdicts".
    """

    def __init__(self, url: str, prefix: str, age_seconds: float, what: str) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_CALL_SECONDS,
            socket_timeout=_CALL_SECONDS,
            socket_connect_timeout=_CALL_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self._prefix = prefix
        self._what = what
        self._redis = Redis.from_pool(pool)
        self._age_milliseconds = max(1, round(age_seconds * 1000))
        self._away_until = 0.0
        self._quiet_until = 0.0
        self._log = structlog.get_logger(what)

    async def get(self, key: str) -> Stored | None:
        """Returns what is kept under a key; see `SharedStore.get`."""
        found = await self._bounded(lambda: self._read(self._prefix + key))
        return found if found is None or found.seconds > 0 else None

    async def put(self, key: str, data: bytes) -> None:
        """Keeps bytes under a key; see `SharedStore.put`."""
        await self._bounded(lambda: self._redis.set(self._prefix + key, data, px=self._age_milliseconds))

    async def stop(self) -> None:
        """Closes connections."""
        await self._redis.aclose()

    async def _read(self, name: str) -> Stored | None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.get(name)
            pipeline.pttl(name)
            data, milliseconds = await pipeline.execute()
        return None if data is None else Stored(data, milliseconds / 1000)

    async def _bounded(self, call: Callable[[], Awaitable[T]]) -> T | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            async with asyncio.timeout(_CALL_SECONDS):
                return await call()
        except (RedisError, OSError, TimeoutError) as error:
            self._leave_alone(error)
            return None

    def _leave_alone(self, error: Exception) -> None:
        now = time.monotonic()
        self._away_until = now + _PAUSE_SECONDS
        if now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            self._log.warning(f"the shared store of {self._what} fails; work goes on without it", why=_words(error))


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


def check_redis_url(url: SecretStr | None) -> SecretStr | None:
    """Returns a URL of a settings object if it can be one of Redis. Raises ValueError."""
    if url is not None and not url.get_secret_value().startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("must begin with redis://, rediss:// or unix://")
    return url
