"""The env service's RPC handlers for training runs: curriculum, memory, statistics, quotas, rescoring, export."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from codearena.v1 import core_pb2 as core
from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import env_service_pb2_grpc
from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import invalid
from services.common.validation import check_id, check_task_id
from services.env import memories
from services.env.catalogue import Catalogue
from services.env.episodes import store_errors
from services.env.options import check_profile
from services.env.page_tokens import InvalidPageTokenError, make_token, read_token
from services.env.period import Period
from services.env.progress import Progress
from services.env.rescoring import Rescored, Rescoring, Selection
from services.env.runs_sql import RunRecord, SqlRuns
from services.env.stats_sql import Row, SqlStats, created
from services.env.task_schema import Difficulty

Context = grpc.aio.ServicerContext[Any, Any]
_USUAL_PAGE, _LARGEST_PAGE = 50, 500
_MAX_COUNT = 10**6


@dataclass(frozen=True, slots=True)
class RunParts:
    """What these handlers call.

    Attributes:
        catalogue: The tasks.
        progress: Curricula.
        memories: Memories.
        stats: Statistics.
        runs: Training runs.
        rescoring: Rescores.
        profile: Name of the server's weight profile.
        timeout: Seconds that one grading may take.
    """

    catalogue: Catalogue
    progress: Progress
    memories: memories.MemoryStore
    stats: SqlStats
    runs: SqlRuns
    rescoring: Rescoring
    profile: str
    timeout: float


class RunHandlers(env_service_pb2_grpc.EnvServiceServicer):
    """Answers a part of `codearena.v1.EnvService`."""

    def __init__(self, parts: RunParts) -> None:
        self._parts = parts

    async def GetCurriculum(self, request: wire.GetCurriculumRequest, context: Context) -> wire.GetCurriculumResponse:
        """Returns where a run stands."""
        check_id(request.run_id, "run_id")
        with store_errors():
            return await self._parts.progress.describe(request.run_id)

    async def ListMemories(self, request: wire.ListMemoriesRequest, context: Context) -> wire.ListMemoriesResponse:
        """Lists what an owner knows."""
        owner = _owner(request)
        check_task_id(request.task_id, "task_id", required=False)
        count = _page_size(request.page_size)
        query = f"{owner}\n{request.task_id}"
        after = _after(request.page_token, query)
        with store_errors():
            found = await self._parts.memories.page(owner, request.task_id, after, count + 1)
        token = make_token(found[count - 1].task_id, query) if len(found) > count else ""
        shown = [memories.to_wire(memory) for memory in found[:count]]
        return wire.ListMemoriesResponse(memories=shown, next_page_token=token)

    async def ImportMemories(
        self, request: wire.ImportMemoriesRequest, context: Context
    ) -> wire.ImportMemoriesResponse:
        """Adds what is better than what is known; all or none."""
        found = memories.from_wire(_owner(request), request.memories, self._parts.catalogue)
        with store_errors():
            return wire.ImportMemoriesResponse(imported_count=await self._parts.memories.remember(found))

    async def GetStats(self, request: wire.GetStatsRequest, context: Context) -> wire.GetStatsResponse:
        """Returns tables."""
        period = _period(request)
        with store_errors():
            tables = await self._parts.stats.tables(period)
        return wire.GetStatsResponse(
            tables=[wire.StatsTable(name=name, rows=map(_stats_row, rows)) for name, rows in tables.items()]
        )

    async def ListRuns(self, request: wire.ListRunsRequest, context: Context) -> wire.ListRunsResponse:
        """Lists runs."""
        count = _page_size(request.page_size)
        with store_errors():
            return wire.ListRunsResponse(runs=map(_run, await self._parts.runs.page(count)))

    async def UpdateRun(self, request: wire.UpdateRunRequest, context: Context) -> wire.UpdateRunResponse:
        """Sets priority and quotas of a run."""
        check_id(request.run_id, "run_id")
        weight = request.weight if request.HasField("weight") else None
        if weight is not None and not 0.01 <= weight <= 100:
            raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "weight", "must be from 0.01 to 100")
        most_open = _count(request, "max_open_episodes")
        most_gradings = _count(request, "max_gradings_per_minute")
        with store_errors():
            return wire.UpdateRunResponse(
                run=_run(await self._parts.runs.update(request.run_id, weight, most_open, most_gradings))
            )

    async def RescoreEpisodes(
        self, request: wire.RescoreEpisodesRequest, context: Context
    ) -> AsyncIterator[wire.RescoreEpisodesResponse]:
        """Rescores stored steps and reports each."""
        check_id(request.run_id, "run_id", required=False)
        check_task_id(request.task_id, "task_id", required=False)
        profile = check_profile(request.reward_profile, "reward_profile") or self._parts.profile
        chosen = Selection(
            request.run_id, request.task_id, profile, request.regrade, request.apply, self._parts.timeout
        )
        with store_errors():
            async for rescored in self._parts.rescoring.run(chosen):
                yield _rescored(rescored)

    async def ExportSteps(
        self, request: wire.ExportStepsRequest, context: Context
    ) -> AsyncIterator[wire.ExportStepsResponse]:
        """Streams stored steps."""
        period = _period(request)
        with store_errors():
            async for row in self._parts.stats.steps(period):
                yield _exported(row)


def _owner(request: wire.ListMemoriesRequest | wire.ImportMemoriesRequest) -> str:
    field = request.WhichOneof("owner")
    if field is None:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "owner", "name a run_id or a memory_namespace")
    check_id(getattr(request, field), field)
    return memories.owner_of(request.run_id, request.memory_namespace)


def _page_size(asked: int) -> int:
    if not 0 <= asked <= _LARGEST_PAGE:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "page_size", f"must be from 0 to {_LARGEST_PAGE}")
    return asked or _USUAL_PAGE


def _after(token: str, query: str) -> str:
    try:
        return read_token(token, query) if token else ""
    except InvalidPageTokenError as error:
        raise invalid(reasons.ERROR_REASON_INVALID_PAGE_TOKEN, "page_token", str(error)) from error


def _count(request: wire.UpdateRunRequest, field: str) -> int | None:
    if not request.HasField(field):  # type: ignore[arg-type]
        return None
    value = int(getattr(request, field))
    if not 0 <= value <= _MAX_COUNT:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, field, f"must be from 0 to {_MAX_COUNT}")
    return value


def _period(request: wire.GetStatsRequest | wire.ExportStepsRequest) -> Period:
    check_id(request.run_id, "run_id", required=False)
    start = _time(request.start_time, "start_time") if request.HasField("start_time") else None
    end = _time(request.end_time, "end_time") if request.HasField("end_time") else None
    return Period(request.run_id, start, end)


def _time(moment: Timestamp, field: str) -> datetime:
    try:
        return moment.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, field, "is no time") from error


def _stats_row(row: Row) -> wire.StatsRow:
    return wire.StatsRow(
        key=row.key,
        episode_count=row.episodes,
        step_count=row.steps,
        mean_reward=row.mean_reward,
        solve_rate=row.solve_rate,
        mean_steps_to_solve=row.steps_to_solve,
        repeat_rate=row.repeat_rate,
    )


def _run(record: RunRecord) -> wire.Run:
    run = wire.Run(
        run_id=record.run_id,
        weight=record.terms.weight or 1.0,
        max_open_episodes=record.terms.max_open_episodes,
        max_gradings_per_minute=record.terms.max_gradings_per_minute,
        episode_count=record.episodes,
        open_episode_count=record.open_episodes,
        step_count=record.steps,
        mean_reward=record.mean_reward,
    )
    if record.last_active is not None:
        run.last_active_time.FromDatetime(record.last_active)
    return run


def _rescored(rescored: Rescored) -> wire.RescoreEpisodesResponse:
    response = wire.RescoreEpisodesResponse(
        episode_id=rescored.episode.episode_id,
        step=rescored.step.number,
        task_id=rescored.episode.task_id,
        old_reward=rescored.step.reward,
    )
    if rescored.reward is not None:
        response.new_reward = rescored.reward
    elif rescored.error is not None:
        response.error.CopyFrom(rescored.error.to_item())
    return response


def _exported(row: Any) -> wire.ExportStepsResponse:  # noqa: ANN401  a row of any shape
    difficulty = Difficulty(row.difficulty).to_proto() if row.difficulty else core.DIFFICULTY_UNSPECIFIED
    response = wire.ExportStepsResponse(
        episode_id=row.episode_id,
        run_id=row.run_id,
        task_id=row.task_id,
        category=row.category,
        difficulty=difficulty,
        step=row.number,
        reward=row.reward,
        outcome=row.outcome,
        passed_test_count=row.passed,
        repeated=row.repeated,
        time_complexity=row.complexity,
        method=row.method,
        solved=row.solved,
        proposed_fix=row.fix,
    )
    response.create_time.FromDatetime(created(row))
    return response
