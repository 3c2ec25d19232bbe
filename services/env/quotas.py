"""Holds training runs to what was set for them."""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Protocol

import grpc

from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import StatusError
from services.env.runs_sql import USUAL, Terms

_KNOWN_SECONDS = 2.0
_MINUTE = 60.0
_KEPT_RUNS = 1024


class RunTerms(Protocol):
    """Knows what runs are given, and what they have open."""

    async def terms(self, run_id: str) -> Terms:
        """Returns what a run is given."""
        ...

    async def open_episodes(self, run_id: str) -> int:
        """Counts the open episodes of a run."""
        ...


class Quotas:
    """Refuses what goes beyond a run's quota.

    What is set is read anew every two seconds. Gradings are counted by each replica for itself.

    Args:
        runs: Knows what is set.
        clock: Monotonic time in seconds.
    """

    def __init__(self, runs: RunTerms, clock: Callable[[], float] = time.monotonic) -> None:
        self._runs = runs
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Terms]] = OrderedDict()
        self._gradings: OrderedDict[str, deque[float]] = OrderedDict()

    async def terms(self, run_id: str) -> Terms:
        """Returns what a run is given. Raises StoreDown."""
        if not run_id:
            return USUAL
        now = self._clock()
        read, terms = self._known.get(run_id, (-_KNOWN_SECONDS, USUAL))
        if now - read >= _KNOWN_SECONDS:
            terms = await self._runs.terms(run_id)
            self._known[run_id] = now, terms
            self._known.move_to_end(run_id)
            while len(self._known) > _KEPT_RUNS:
                self._known.popitem(last=False)
        return terms

    async def open_episode(self, run_id: str) -> None:
        """Allows a run one more open episode.

        Raises:
            StatusError: RESOURCE_EXHAUSTED, it has as many as it may.
            StoreDown: The store does not answer.
        """
        most = (await self.terms(run_id)).max_open_episodes
        if not most:
            return
        present = await self._runs.open_episodes(run_id)
        if present >= most:
            raise _exceeded(f"the run {run_id} has {present} open episodes and may have {most}; close some", 1.0)

    async def grade(self, run_id: str, count: int = 1) -> Terms:
        """Allows a run more gradings, and returns what it is given.

        Raises:
            StatusError: RESOURCE_EXHAUSTED, it has begun as many within a minute as it may.
            StoreDown: The store does not answer.
        """
        terms = await self.terms(run_id)
        most = terms.max_gradings_per_minute
        if not most:
            return terms
        now = self._clock()
        begun = self._gradings.setdefault(run_id, deque())
        self._gradings.move_to_end(run_id)
        while len(self._gradings) > _KEPT_RUNS:
            self._gradings.popitem(last=False)
        while begun and now - begun[0] >= _MINUTE:
            begun.popleft()
        if begun and len(begun) + count > most:
            wait = _MINUTE - (now - begun[min(len(begun), len(begun) + count - most) - 1])
            raise _exceeded(f"the run {run_id} has begun {len(begun)} gradings within a minute, it may {most}", wait)
        begun.extend([now] * min(count, most))
        return terms


def _exceeded(message: str, seconds: float) -> StatusError:
    return StatusError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        reasons.ERROR_REASON_QUOTA_EXCEEDED,
        message,
        retry_after_seconds=max(0.1, seconds),
    )
