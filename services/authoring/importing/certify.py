"""Whether a task does what it claims, found by running it; and the limits that it needs."""

from __future__ import annotations

import math

from grpc.aio import AioRpcError

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from services.authoring.importing.entries import Unusable
from services.authoring.sandboxes import Sandboxes
from services.env.task_parts import Limits
from services.env.task_schema import Task

_GENEROUS = Limits(cpu_seconds=30.0, wall_seconds=60.0, memory_mb=1024)
_LEAST_CPU_SECONDS, _LEAST_WALL_SECONDS = 0.5, 2.0
_TIMES_THE_DEAREST, _TIMES_ALL = 10.0, 1.5
_LEAST_MEMORY_MB = 256
_PASSES = 2


async def certified(task: Task, boxes: Sandboxes) -> Task:
    """Returns a task with limits that fit it, once its reference passed every test, several times, and its bug did not.

    Raises:
        Unusable: It does not do what it claims.
        AioRpcError: It could not be graded, for a reason that is not the task's.
    """
    generous = task.model_copy(update={"limits": _GENEROUS})
    measured = await _passing(generous, boxes)
    limited = Task.model_validate({**task.model_dump(exclude_unset=True), "limits": _limits(measured)})
    for seed in range(_PASSES):
        await _passing(limited, boxes, seed)
        bug = await _grade(limited, limited.buggy_code, boxes, seed)
        if bug.outcome == core.OUTCOME_PASSED:
            raise Unusable("its bug passes every test")
    return limited


async def _passing(task: Task, boxes: Sandboxes, seed: int = 0) -> wire.ExecuteResponse:
    response = await _grade(task, task.reference, boxes, seed)
    if response.outcome == core.OUTCOME_PASSED:
        return response
    if response.load_error:
        raise Unusable(f"its reference does not load: {response.load_error[-300:]}")
    failed = next(test for test in response.tests if not test.passed)
    raise Unusable(f"its reference fails the test {failed.name!r}: {failed.actual[:300]}")


async def _grade(task: Task, code: str, boxes: Sandboxes, seed: int = 0) -> wire.ExecuteResponse:
    try:
        return await boxes.grade(code, task.to_suite(seed))
    except AioRpcError as error:
        if error.code().name == "INVALID_ARGUMENT":
            raise Unusable(str(error.details())[:500]) from error
        if error.code().name == "DEADLINE_EXCEEDED":
            raise Unusable("it takes longer to grade than any task may") from error
        raise


def _limits(measured: wire.ExecuteResponse) -> dict[str, float]:
    """Returns limits with room to spare, and no more: a bug that never ends is to be stopped soon."""
    dearest = max((test.cpu_time.ToNanoseconds() for test in measured.tests), default=0) / 1e9
    total = measured.usage.cpu_time.ToNanoseconds() / 1e9
    cpu = max(_LEAST_CPU_SECONDS, _TIMES_THE_DEAREST * dearest, _TIMES_ALL * total)
    cpu = min(30.0, math.ceil(2 * cpu) / 2)
    memory = max(_LEAST_MEMORY_MB, 2 * measured.usage.peak_memory_bytes >> 20)
    limits = {"cpu_seconds": cpu, "wall_seconds": min(60.0, max(_LEAST_WALL_SECONDS, 4 * cpu))}
    return limits | ({"memory_mb": min(1024, memory)} if memory > _LEAST_MEMORY_MB else {})
