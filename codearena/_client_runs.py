"""The methods of the synchronous client that are about training runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from codearena import _run_calls
from codearena._run_models import Curriculum, Memory, RescoredStep, Run, StatsRow, StepRecord
from codearena._transport import SyncTransport


class RunMethods(SyncTransport):
    """Curriculum, memory, statistics, quotas, rescoring and export; a part of `ArenaClient`."""

    def get_curriculum(self, run_id: str = "", *, timeout_seconds: float | None = None) -> Curriculum:
        """Returns where a training run stands in its curriculum.

        Args:
            run_id: The training run.
            timeout_seconds: Deadline of this call.
        """
        return self._send(_run_calls.get_curriculum(run_id), timeout_seconds)

    def list_memories(
        self,
        run_id: str = "",
        memory_namespace: str = "",
        task_id: str = "",
        *,
        timeout_seconds: float | None = None,
    ) -> Iterator[Memory]:
        """Iterates over the best fixes that were found, by task id; pages are fetched as they are needed.

        Args:
            run_id: Those of this training run.
            memory_namespace: Or those of this namespace, which runs may share.
            task_id: Only of this task; empty for all.
            timeout_seconds: Deadline of each page.

        Raises:
            TypeError: Both a run and a namespace are given.
        """
        return self._pages(_run_calls.list_memories(run_id, memory_namespace, task_id), timeout_seconds)

    def import_memories(
        self,
        memories: Iterable[Memory],
        run_id: str = "",
        memory_namespace: str = "",
        *,
        timeout_seconds: float | None = None,
    ) -> int:
        """Adds memories, each only where it is better than what is known. To import again does no harm.

        Args:
            memories: Of tasks that the catalogue has. They are sent in parts of at most 1000, after all of them were
                checked; of each part the arena takes all or none.
            run_id: The training run whose they become.
            memory_namespace: Or the namespace.
            timeout_seconds: Deadline of each part.

        Returns:
            How many were new, or better than what was known.

        Raises:
            InvalidArgumentError: One of them is malformed, or its task is unknown; the message says which.
            TypeError: Both a run and a namespace are given.
        """
        calls = _run_calls.import_memories(memories, run_id, memory_namespace)
        return sum(self._send(call, timeout_seconds) for call in calls)

    def get_stats(
        self,
        run_id: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> dict[str, list[StatsRow]]:
        """Returns tables about the steps that are stored.

        Args:
            run_id: Only this training run; empty for all.
            start: Only steps at or after this time, with its time zone; None for no limit.
            end: Only steps before this time.
            timeout_seconds: Deadline of this call.

        Returns:
            The rows of each table, ordered by key. The tables are "all", "task", "category", "level", "complexity",
            "method" and "day".
        """
        return self._send(_run_calls.get_stats(run_id, start, end), timeout_seconds)

    def list_runs(self, count: int = 50, *, timeout_seconds: float | None = None) -> list[Run]:
        """Returns training runs, the one that was active last first.

        Args:
            count: At most this many, up to 500.
            timeout_seconds: Deadline of this call.
        """
        return self._send(_run_calls.list_runs(count), timeout_seconds)

    def update_run(
        self,
        run_id: str,
        weight: float | None = None,
        max_open_episodes: int | None = None,
        max_gradings_per_minute: int | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> Run:
        """Sets priority and quotas of a training run. What is None stays as it is.

        Args:
            run_id: Its id.
            weight: Its share of the executor's slots against that of others, from 0.01 to 100.
            max_open_episodes: Episodes it may have open at once; 0 for any number.
            max_gradings_per_minute: Steps and gradings it may begin within a minute; 0 for any number.
            timeout_seconds: Deadline of this call.

        Returns:
            The run, as it is now.
        """
        call = _run_calls.update_run(run_id, weight, max_open_episodes, max_gradings_per_minute)
        return self._send(call, timeout_seconds)

    def rescore(
        self,
        run_id: str = "",
        task_id: str = "",
        reward_profile: str = "",
        regrade: bool = False,
        apply: bool = False,
        *,
        timeout_seconds: float | None = None,
    ) -> Iterator[RescoredStep]:
        """Gives stored steps the reward that they would have under another weight profile, or from a new grading.

        Args:
            run_id: Only this training run; empty for all.
            task_id: Only this task; empty for all.
            reward_profile: Weight profile; empty for the arena's.
            regrade: Grade each fix anew instead of weighing its stored scores.
            apply: Store the new rewards; else they are only reported.
            timeout_seconds: Deadline of the whole; a day unless given.

        Returns:
            An iterator of steps with their old and new rewards. A step that cannot be rescored comes with its error
            instead, and does not fail the others. With `apply`, what came is stored. The call is sent with the first
            item asked for, and cancelled if the iterator is dropped.
        """
        return self._stream(_run_calls.rescore(run_id, task_id, reward_profile, regrade, apply), timeout_seconds)

    def export_steps(
        self,
        run_id: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
        *,
        timeout_seconds: float | None = None,
    ) -> Iterator[StepRecord]:
        """Iterates over the stored steps, oldest first, as they arrive.

        Args:
            run_id: Only this training run; empty for all.
            start: Only steps at or after this time, with its time zone; None for no limit.
            end: Only steps before this time.
            timeout_seconds: Deadline of the whole; a day unless given.
        """
        return self._stream(_run_calls.export_steps(run_id, start, end), timeout_seconds)
