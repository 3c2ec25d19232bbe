"""What the dashboard reads: tasks, runs, steps as they come, and how the services are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse

from services.common.validation import MAX_ID_CHARACTERS
from services.gateway import convert
from services.gateway.bodies import RunList, RunSummary, StepList, TaskDetail, TaskList, TaskSummary
from services.gateway.operations import Operations, OperationsAnswer
from services.gateway.rest import RunId, link
from services.gateway.steps import Streams, read_steps

_MOST_TASKS = 10_000
_Name = Annotated[str, Query(max_length=MAX_ID_CHARACTERS)]
TaskId = Annotated[str, Path(min_length=1, max_length=MAX_ID_CHARACTERS)]
After = Annotated[datetime | None, Query(description="Only steps stored after this time, RFC 3339 with a time zone.")]
router = APIRouter(prefix="/api", tags=["Dashboard"])


@router.get("/tasks", summary="The catalogue")
async def tasks(
    request: Request,
    category: _Name = "",
    difficulty: Literal["", "easy", "medium", "hard", "expert"] = "",
    split: Literal["", "train", "validation", "test"] = "",
) -> TaskList:
    """Returns the tasks of the catalogue, or those of a category, difficulty or split."""
    found: list[TaskSummary] = []
    listed = link(request).client.list_tasks(category=category, difficulty=difficulty or None, split=split)
    async for task in listed:
        if len(found) == _MOST_TASKS:
            return TaskList(tasks=found, truncated=True)
        found.append(convert.summarised(task))
    return TaskList(tasks=found, truncated=False)


@router.get("/tasks/{task_id:path}", summary="One task")
async def task(request: Request, task_id: TaskId) -> TaskDetail:
    """Returns a task as an agent may see it."""
    return convert.detailed(await link(request).task(task_id))


@router.get("/runs", summary="Training runs")
async def runs(request: Request, count: Annotated[int, Query(ge=1, le=500)] = 100) -> RunList:
    """Returns training runs, the one that was active last first."""
    return RunList(runs=[RunSummary.model_validate(run) for run in await link(request).client.list_runs(count)])


@router.get("/steps", summary="Steps of a training run")
async def steps(request: Request, run_id: RunId = "", after: After = None) -> StepList:
    """Returns steps of a training run, oldest first; of all runs without a run_id."""
    return await read_steps(link(request).client, run_id, after)


@router.get(
    "/steps/stream",
    summary="Steps of a training run, as they come",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(request: Request, run_id: RunId = "", after: After = None) -> StreamingResponse:
    """Sends the steps that there are, then each new one: events `steps`, `ping` and `error`, with JSON."""
    streams: Streams = request.app.state.streams
    events: AsyncIterator[str] = streams.open(link(request), run_id, after)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


@router.get("/operations", summary="How the services are")
async def operations(request: Request) -> OperationsAnswer:
    """Returns health, pool and queue, judge, outcomes and violations; null where the gateway cannot see it."""
    found: Operations = request.app.state.operations
    return await found.look()
