"""From a program to its verdict: known, under way, or made now."""

from __future__ import annotations

from functools import partial
from typing import Protocol

from codearena.v1 import executor_service_pb2 as wire
from services.common.shared_store import SharedStore
from services.executor.asks import Ask, in_time
from services.executor.executions import Executed
from services.executor.flights import Flights
from services.executor.refusals import too_late
from services.executor.sandbox import BackendInfo
from services.executor.suites import CheckedSuite
from services.executor.verdict_cache import (
    CacheLimits,
    VerdictCache,
    judge_digest,
    read_verdict,
    repeated,
    verdict_key,
)


class ProgramGrader(Protocol):
    """Grades; `services.executor.executions.Executions` is one."""

    async def grade(self, code: str, suite: CheckedSuite, ask: Ask) -> Executed:
        """Grades a program in a sandbox.

        Raises:
            StatusError: It could not.
        """
        ...


class VerdictObserver(Protocol):
    """Hears whether verdicts were known."""

    def asked(self, *, known: bool) -> None:
        """A verdict was known, or had to be made."""
        ...


class Verdicts:
    """Verdicts of one sandbox backend.

    Only verdicts are kept, and of these the settled ones; never a status.

    Args:
        grader: Makes them.
        backend: The sandboxes they are made in.
        limits: What is kept; with no entries, each program is graded.
        store: Shared with other executors; None if there is none.
        observer: Hears of hits and misses.
    """

    def __init__(
        self,
        grader: ProgramGrader,
        backend: BackendInfo,
        limits: CacheLimits,
        store: SharedStore | None,
        observer: VerdictObserver,
    ) -> None:
        self._grader = grader
        self._backend = backend
        self._cache = VerdictCache(limits)
        self._judge = judge_digest(backend)
        self._keeps = limits.entries > 0 and backend.digest != ""
        self._store = store
        self._observer = observer
        self._flights: Flights[wire.ExecuteResponse] = Flights()

    async def of(self, code: str, suite: CheckedSuite, ask: Ask, *, fresh: bool = False) -> wire.ExecuteResponse:
        """Returns the verdict of a program, flagged if it is that of an equal one.

        Equal programs of one training run that are asked for at the same time are graded once, for as long as one of
        those who ask still waits. Those of two runs are not: neither waits for the other's turn.

        Args:
            code: The program.
            suite: What it is graded against.
            ask: On whose behalf, and until when.
            fresh: Grade it whatever is known, and keep nothing.

        Raises:
            StatusError: DEADLINE_EXCEEDED, or what the grader raised.
        """
        if ask.too_late:
            raise too_late()
        async with in_time(ask):
            if fresh or not self._keeps:
                return (await self._grader.grade(code, suite, ask)).response
            return await self._known(code, suite, ask)

    async def stop(self) -> None:
        """Ends gradings under way, and leaves the store."""
        await self._flights.stop()
        if self._store is not None:
            await self._store.stop()

    async def _known(self, code: str, suite: CheckedSuite, ask: Ask) -> wire.ExecuteResponse:
        key = verdict_key(code, suite, self._judge)
        response = self._cache.get(key)
        if response is None:
            # The work has no deadline of its own: it may be that of one who comes later and waits for longer.
            work = partial(self._make, key, code, suite, Ask(ask.run_id, weight=ask.weight))
            response, first = await self._flights.join((key, ask.run_id), work)
            response = response if first else repeated(response)
        self._observer.asked(known=response.cached)
        return response

    async def _make(self, key: str, code: str, suite: CheckedSuite, ask: Ask) -> wire.ExecuteResponse:
        response = await self._stored(key, suite)
        if response is not None:
            return response
        executed = await self._grader.grade(code, suite, ask)
        if executed.settled:
            data = self._cache.put(key, executed.response)
            if self._store is not None:
                await self._store.put(key, data)
        return executed.response

    async def _stored(self, key: str, suite: CheckedSuite) -> wire.ExecuteResponse | None:
        stored = None if self._store is None else await self._store.get(key)
        if stored is None:
            return None
        try:
            response = repeated(read_verdict(stored.data, suite, self._backend.kind))
        except ValueError:
            return None
        self._cache.put(key, response, stored.seconds)
        return response
