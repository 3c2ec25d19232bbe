"""The methods of the asynchronous client that are about training runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import datetime

from codearena import _run_calls
from codearena._run_models import Curriculum, Memory, RescoredStep, Run, StatsRow, StepRecord
from codearena._transport import AsyncTransport


class AsyncRunMethods(AsyncTransport):
    """Curriculum, memory, statistics, quotas, rescoring and export; a part of `AsyncArenaClient`."""

    async def get_curriculum(self, run_id: str = "", *, timeout_seconds: float | None = None) -> Curriculum:
        """Returns where a training run stands, as `ArenaClient.get_curriculum` does."""
        return await self._send(_run_calls.get_curriculum(run_id), timeout_seconds)

    def list_memories(
        self,
        run_id: str = "",
        memory_namespace: str = "",
        task_id: str = "",
        *,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[Memory]:
        """Iterates over memories, as `ArenaClient.list_memories` does. Iterate with `async for`."""
        return self._pages(_run_calls.list_memories(run_id, memory_namespace, task_id), timeout_seconds)

    async def import_memories(
        self,
        memories: Iterable[Memory],
        run_id: str = "",
        memory_namespace: str = "",
        *,
        timeout_seconds: float | None = None,
    ) -> int:
        """Adds memories, as `ArenaClient.import_memories` does."""
        calls = _run_calls.import_memories(memories, run_id, memory_namespace)
        return sum([await self._send(call, timeout_seconds) for call in calls])

    async def get_stats(
        self,
        run_id: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> dict[str, list[StatsRow]]:
        """Returns tables about the steps that are stored, as `ArenaClient.get_stats` does."""
        return await self._send(_run_calls.get_stats(run_id, start, end), timeout_seconds)

    async def list_runs(self, count: int = 50, *, timeout_seconds: float | None = None) -> list[Run]:
        """Returns training runs, as `ArenaClient.list_runs` does."""
        return await self._send(_run_calls.list_runs(count), timeout_seconds)

    async def update_run(
        self,
        run_id: str,
        weight: float | None = None,
        max_open_episodes: int | None = None,
        max_gradings_per_minute: int | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> Run:
        """Sets priority and quotas of a training run, as `ArenaClient.update_run` does."""
        call = _run_calls.update_run(run_id, weight, max_open_episodes, max_gradings_per_minute)
        return await self._send(call, timeout_seconds)

    def rescore(
        self,
        run_id: str = "",
        task_id: str = "",
        reward_profile: str = "",
        regrade: bool = False,
        apply: bool = False,
        *,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[RescoredStep]:
        """Rescores stored steps, as `ArenaClient.rescore` does. Iterate with `async for`."""
        return self._stream(_run_calls.rescore(run_id, task_id, reward_profile, regrade, apply), timeout_seconds)

    def export_steps(
        self,
        run_id: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> AsyncIterator[StepRecord]:
        """Iterates over the stored steps, as `ArenaClient.export_steps` does. Iterate with `async for`."""
        return self._stream(_run_calls.export_steps(run_id, start, end), timeout_seconds)
