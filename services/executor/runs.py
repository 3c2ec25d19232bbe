"""Runs a program in a leased sandbox, within time, and tells our failures from the submission's."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from codearena.v1 import error_reason_pb2 as reasons
from services.common import tracing
from services.common.errors import unavailable
from services.executor import jobs
from services.executor.asks import ANYONE, Ask
from services.executor.jobs import Call, Reply
from services.executor.limits import Limits
from services.executor.pool import Lease, SandboxPool
from services.executor.sandbox import HarnessDied, SandboxBackend, SandboxLost

_GRACE_SECONDS = 10.0


class Overran(Exception):
    """The harness did not answer within all its limits together: the submission's failure."""


@dataclass(slots=True)
class Run:
    """A program in its sandbox.

    Attributes:
        lease: What was leased for it.
        limits: What it may use.
        ran_seconds: Time from jobs to answers, so far.
    """

    lease: Lease
    limits: Limits
    _backend: SandboxBackend
    _first: bytes
    ran_seconds: float = 0.0

    async def batch(self, calls: Sequence[Call], *, visible: int, stop_seconds: float = 0.0) -> Reply:
        """Evaluates cases; see `jobs.batch`.

        Raises:
            HarnessDied: The submission ended the harness.
            Overran: The submission kept the harness from answering.
            StatusError: UNAVAILABLE, the sandbox was lost.
        """
        job = self._first + jobs.batch(calls, self.limits, visible=visible, stop_seconds=stop_seconds)
        self._first = b""
        return _confined(jobs.parse_reply(await self._exchange(job), len(calls)))

    async def script(self, job: bytes) -> Reply:
        """Runs a script; see `jobs.script`. Raises as `batch` does."""
        return _confined(jobs.parse_reply(await self._exchange(job), 0))

    async def _exchange(self, job: bytes) -> bytes:
        started = time.monotonic()
        try:
            with tracing.span("execute"):
                async with asyncio.timeout(self.limits.total_wall_seconds + _GRACE_SECONDS):
                    return await self.lease.sandbox.run(job)
        except TimeoutError as error:
            await self._check_engine()
            raise Overran("no answer within all limits") from error
        except HarnessDied:
            await self._check_engine()
            raise
        except SandboxLost as error:
            raise unavailable(reasons.ERROR_REASON_SANDBOX_UNAVAILABLE, str(error)) from error
        finally:
            self.ran_seconds += time.monotonic() - started

    async def _check_engine(self) -> None:
        """Blames the submission only while the engine is well."""
        try:
            await self._backend.ping()
        except SandboxLost as error:
            raise unavailable(reasons.ERROR_REASON_SANDBOX_UNAVAILABLE, str(error)) from error


def _confined(reply: Reply) -> Reply:
    """Returns the reply of a harness that could filter its child's system calls, and no other's."""
    if reply.filter == "none":
        message = "this kernel or machine has no system call filter; submissions cannot be confined on it"
        raise unavailable(reasons.ERROR_REASON_SANDBOX_UNAVAILABLE, message)
    return reply


class Runner:
    """Leases sandboxes for programs."""

    def __init__(self, pool: SandboxPool, backend: SandboxBackend) -> None:
        self._pool = pool
        self._backend = backend

    @contextlib.asynccontextmanager
    async def program(
        self,
        code: str,
        limits: Limits,
        modules: Mapping[str, str] = MappingProxyType({}),
        *,
        trusted: bool = False,
        ask: Ask = ANYONE,
    ) -> AsyncIterator[Run]:
        """Leases a sandbox for a program that answers cases.

        Args:
            code: The program.
            limits: What it may use.
            modules: Sources of further modules that it may import, by name.
            trusted: It is a reference solution.
            ask: On whose behalf, and until when.

        Raises:
            StatusError: RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED or UNAVAILABLE, as `SandboxPool.lease`.
        """
        async with self._pool.lease(ask) as lease:
            yield Run(lease, limits, self._backend, jobs.program(code, limits, modules, trusted=trusted))
