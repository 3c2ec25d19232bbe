"""Programs sent straight to an executor: the least time in which an arena could have graded them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import grpc

from benchmarks.processes import service
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.env.task_schema import Task

if TYPE_CHECKING:
    from codearena.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

Program: TypeAlias = tuple[Task, str]
"""A task and a program for it."""

_AT_ONCE = 16
_TIMEOUT_SECONDS = 300.0


@contextmanager
def arena_processes(folder: Path, backend: str) -> Iterator[tuple[str, str]]:
    """Runs env, executor and judge as processes of their own; yields the addresses of env and executor.

    Raises:
        StartError: One of them does not start.
    """
    variables = {"CODEARENA_SANDBOX_BACKEND": backend}
    with ExitStack() as stack:
        running = {part: stack.enter_context(service(part, folder, variables)) for part in ("executor", "judge")}
        variables |= {f"CODEARENA_{part.upper()}_ADDRESS": process.address for part, process in running.items()}
        env = stack.enter_context(service("env", folder, variables))
        yield env.address, running["executor"].address


async def seconds_to_execute(address: str, programs: Sequence[Program]) -> float:
    """Returns how long an executor takes for programs whose verdict it does not know, many at once."""
    left = iter(programs)
    async with grpc.aio.insecure_channel(address) as channel:
        stub = cast("ExecutorServiceAsyncStub", ExecutorServiceStub(channel))

        async def client() -> None:
            for task, code in left:
                response = await stub.Execute(
                    wire.ExecuteRequest(code=code, suite=task.to_suite()), timeout=_TIMEOUT_SECONDS
                )
                if response.cached:
                    raise SystemExit(f"the verdict of a program for {task.id} was known: the figure would be wrong")

        started = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(_AT_ONCE)))
        return time.perf_counter() - started


def by_id(tasks: Sequence[Task]) -> Mapping[str, Task]:
    """Returns tasks by their ids."""
    return {task.id: task for task in tasks}
