"""The calls about training runs: curriculum, memory, statistics, quotas, rescoring and export."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from codearena import _checks, _convert, _run_convert
from codearena._calls import INT32_MAX, STREAM_SECONDS, Call, Page
from codearena._run_models import Curriculum, Memory, RescoredStep, Run, StatsRow, StepRecord
from codearena.v1 import env_service_pb2 as pb

MAX_IMPORTED: Final = 1000
_MAX_IMPORTED_BYTES = 8 * 1024 * 1024


def get_curriculum(run_id: str) -> Call[Curriculum]:
    """Asks where a run stands."""
    request = pb.GetCurriculumRequest(run_id=_checks.text("run_id", run_id))
    return Call("GetCurriculum", request, _run_convert.curriculum)


def list_memories(run_id: str, memory_namespace: str, task_id: str) -> Call[Page[Memory]]:
    """Asks for the first page of memories."""
    request = pb.ListMemoriesRequest(task_id=_checks.text("task_id", task_id))
    _set_owner(request, run_id, memory_namespace)
    return Call("ListMemories", request, _page)


def import_memories(memories: Iterable[Memory], run_id: str, memory_namespace: str) -> list[Call[int]]:
    """Adds memories: a call for each thousand, or for fewer where they are long."""
    if isinstance(memories, str | bytes) or not isinstance(memories, Iterable):
        raise TypeError(f"memories must be a sequence of Memory, not {type(memories).__name__}")
    owner = pb.ImportMemoriesRequest()
    _set_owner(owner, run_id, memory_namespace)
    messages = [_memory(f"memories[{index}]", memory) for index, memory in enumerate(memories)]
    return [Call("ImportMemories", request, _imported) for request in _parts(owner, messages)]


def get_stats(run_id: str, start: datetime | None, end: datetime | None) -> Call[dict[str, list[StatsRow]]]:
    """Asks for tables."""
    request = pb.GetStatsRequest(run_id=_checks.text("run_id", run_id))
    _set_period(request, start, end)
    return Call("GetStats", request, _run_convert.stats)


def list_runs(count: int) -> Call[list[Run]]:
    """Asks for the runs that were active last."""
    request = pb.ListRunsRequest(page_size=_checks.integer("count", count, most=INT32_MAX))
    return Call("ListRuns", request, _runs)


def update_run(
    run_id: str, weight: float | None, max_open_episodes: int | None, max_gradings_per_minute: int | None
) -> Call[Run]:
    """Sets priority and quotas of a run; what is None stays."""
    request = pb.UpdateRunRequest(run_id=_checks.text("run_id", run_id))
    if weight is not None:
        request.weight = _checks.number("weight", weight)
    if max_open_episodes is not None:
        request.max_open_episodes = _checks.integer("max_open_episodes", max_open_episodes, most=INT32_MAX)
    if max_gradings_per_minute is not None:
        limit = _checks.integer("max_gradings_per_minute", max_gradings_per_minute, most=INT32_MAX)
        request.max_gradings_per_minute = limit
    return Call("UpdateRun", request, _updated)


def rescore(run_id: str, task_id: str, reward_profile: str, regrade: bool, apply: bool) -> Call[RescoredStep]:
    """Rescores stored steps; the response is a stream."""
    request = pb.RescoreEpisodesRequest(
        run_id=_checks.text("run_id", run_id),
        task_id=_checks.text("task_id", task_id),
        reward_profile=_checks.text("reward_profile", reward_profile),
        regrade=_checks.flag("regrade", regrade),
        apply=_checks.flag("apply", apply),
    )
    return Call("RescoreEpisodes", request, _run_convert.rescored, STREAM_SECONDS)


def export_steps(run_id: str, start: datetime | None, end: datetime | None) -> Call[StepRecord]:
    """Asks for the stored steps; the response is a stream."""
    request = pb.ExportStepsRequest(run_id=_checks.text("run_id", run_id))
    _set_period(request, start, end)
    return Call("ExportSteps", request, _run_convert.step_record, STREAM_SECONDS)


def _set_owner(request: pb.ListMemoriesRequest | pb.ImportMemoriesRequest, run_id: str, namespace: str) -> None:
    run_id, namespace = _checks.text("run_id", run_id), _checks.text("memory_namespace", namespace)
    if run_id and namespace:
        raise TypeError("give either run_id or memory_namespace")
    if namespace:
        request.memory_namespace = namespace
    else:
        request.run_id = run_id


def _set_period(
    request: pb.GetStatsRequest | pb.ExportStepsRequest, start: datetime | None, end: datetime | None
) -> None:
    if start is not None:
        request.start_time.FromDatetime(_checks.moment("start", start))
    if end is not None:
        request.end_time.FromDatetime(_checks.moment("end", end))


def _memory(field: str, memory: object) -> pb.Memory:
    if not isinstance(memory, Memory):
        raise TypeError(f"{field} must be a Memory, not {type(memory).__name__}")
    message = pb.Memory(
        task_id=_checks.text(f"{field}.task_id", memory.task_id),
        code=_checks.text(f"{field}.code", memory.code),
        reward=_checks.number(f"{field}.reward", memory.reward),
        time_complexity=_checks.text(f"{field}.time_complexity", memory.time_complexity),
        episode_id=_checks.text(f"{field}.episode_id", memory.episode_id),
    )
    if memory.created_at is not None:
        message.create_time.FromDatetime(_checks.moment(f"{field}.created_at", memory.created_at))
    return message


def _parts(owner: pb.ImportMemoriesRequest, messages: list[pb.Memory]) -> Iterator[pb.ImportMemoriesRequest]:
    """Yields requests of at most as many memories and bytes as one may hold; at least one request."""
    part: list[pb.Memory] = []
    size = 0
    for message in messages:
        if part and (len(part) == MAX_IMPORTED or size + message.ByteSize() > _MAX_IMPORTED_BYTES):
            yield _with(owner, part)
            part, size = [], 0
        part.append(message)
        size += message.ByteSize()
    yield _with(owner, part)


def _with(owner: pb.ImportMemoriesRequest, part: list[pb.Memory]) -> pb.ImportMemoriesRequest:
    request = pb.ImportMemoriesRequest(memories=part)
    request.MergeFrom(owner)
    return request


def _page(response: pb.ListMemoriesResponse) -> Page[Memory]:
    return Page(tuple(map(_convert.memory, response.memories)), response.next_page_token)


def _imported(response: pb.ImportMemoriesResponse) -> int:
    return response.imported_count


def _runs(response: pb.ListRunsResponse) -> list[Run]:
    return list(map(_run_convert.run, response.runs))


def _updated(response: pb.UpdateRunResponse) -> Run:
    return _run_convert.run(response.run)
