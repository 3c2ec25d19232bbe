"""One connection to an arena for all that one process asks of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from codearena import ArenaClient, AsyncArenaClient, TLSConfig
from codearena._channel import DEFAULT_ADDRESS, MAX_ATTEMPTS


@dataclass(frozen=True, slots=True)
class Where:
    """Where an arena is and how to reach it. Can be pickled if its token is a string.

    Attributes:
        address: As for `ArenaClient`; so are the others.
        token: Bearer token.
        tls: How to encrypt.
        timeout_seconds: Deadline of every call.
        max_attempts: How often a call is sent at most.
    """

    address: str = DEFAULT_ADDRESS
    token: str | Callable[[], str | None] | None = None
    tls: TLSConfig | None = None
    timeout_seconds: float | None = None
    max_attempts: int = MAX_ATTEMPTS

    @classmethod
    def configured(cls) -> Where:
        """Returns what CODEARENA_ADDRESS and CODEARENA_TOKEN say."""
        return cls(os.environ.get("CODEARENA_ADDRESS") or DEFAULT_ADDRESS, os.environ.get("CODEARENA_TOKEN") or None)

    def connect(self) -> ArenaClient:
        """Returns a client of its own."""
        return ArenaClient(
            self.address,
            token=self.token,
            tls=self.tls,
            timeout_seconds=self.timeout_seconds,
            max_attempts=self.max_attempts,
        )

    def connect_async(self) -> AsyncArenaClient:
        """Returns a client for the event loop that runs."""
        return AsyncArenaClient(
            self.address,
            token=self.token,
            tls=self.tls,
            timeout_seconds=self.timeout_seconds,
            max_attempts=self.max_attempts,
        )

    def shared(self) -> ArenaClient:
        """Returns the client that this process shares; safe to call from any thread, and after a fork."""
        return _shared(self, os.getpid())


@lru_cache(maxsize=16)
def _shared(where: Where, _pid: int) -> ArenaClient:
    return where.connect()
