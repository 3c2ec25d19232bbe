"""Sandboxes in memory whose backend does what a test says, and an observer that keeps what it hears."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from codearena.v1 import core_pb2 as core
from services.executor.sandbox import BackendInfo, HarnessDied, Sandbox, SandboxLost


class ScriptedSandbox:
    """A sandbox in memory; `answer` says what running in it does."""

    def __init__(self, backend: ScriptedBackend, number: int) -> None:
        self.number = number
        self._backend = backend

    @property
    def alive(self) -> bool:
        return self.number not in self._backend.dead

    async def run(self, job: bytes) -> bytes:
        return await self._backend.answer(job)

    async def destroy(self) -> None:
        self._backend.destroyed.append(self.number)
        await self._backend.destroying()
        self._backend.living.discard(self.number)


async def _nothing() -> None:
    pass


async def _no_answer(job: bytes) -> bytes:
    raise HarnessDied("it ended")


class ScriptedBackend:
    """Makes sandboxes in memory. A cancelled or failed creation makes none, as the protocol demands."""

    def __init__(self) -> None:
        self.made = 0
        self.living: set[int] = set()
        self.dead: set[int] = set()
        self.begun = self.under_way = self.most_under_way = 0
        self.destroyed: list[int] = []
        self.creating: Callable[[], Awaitable[None]] = _nothing
        self.destroying: Callable[[], Awaitable[None]] = _nothing
        self.answer: Callable[[bytes], Awaitable[bytes]] = _no_answer
        self.well = True

    async def start(self) -> BackendInfo:
        return BackendInfo(core.SANDBOX_BACKEND_PROCESS, "none: in memory", isolated=False)

    async def create(self) -> Sandbox:
        self.begun += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.creating()
        finally:
            self.under_way -= 1
        if not self.well:
            raise SandboxLost("the engine is away")
        self.made += 1
        self.living.add(self.made)
        return ScriptedSandbox(self, self.made)

    async def ping(self) -> None:
        if not self.well:
            raise SandboxLost("the engine is away")

    async def stop(self) -> None:
        self.living.clear()


class Observed:
    """Keeps what the pool last told."""

    def __init__(self) -> None:
        self.busy = self.free = self.waiting = self.warming = self.idle = self.in_use = 0
        self.starts: list[bool] = []
        self.waits = 0

    def slots(self, busy: int, free: int, waiting: int) -> None:
        self.busy, self.free, self.waiting = busy, free, waiting

    def stocked(self, warming: int, idle: int) -> None:
        self.warming, self.idle = warming, idle

    def leased(self, count: int) -> None:
        self.in_use = count

    def waited(self, seconds: float) -> None:
        self.waits += 1

    def started(self, seconds: float, *, warm: bool) -> None:
        self.starts.append(warm)


async def until(condition: Callable[[], bool]) -> None:
    """Lets the others run until the condition holds; the bound is there for a test that fails."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    pytest.fail("it does not come true")


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
