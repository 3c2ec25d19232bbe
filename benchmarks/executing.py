"""Programs sent straight to an executor: the least time in which an arena could have graded them."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

import grpc

from benchmarks.processes import service
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1.executor_service_pb2_grpc import ExecutorServiceStub
from services.common.errors import StartError
from services.env.task_schema import Task

if TYPE_CHECKING:
    from codearena.v1.executor_service_pb2_grpc import ExecutorServiceAsyncStub

Program: TypeAlias = tuple[Task, str]
"""A task and a program for it."""

_AT_ONCE = 16
_TIMEOUT_SECONDS = 300.0


def add_apart(parser: argparse.ArgumentParser) -> None:
    """Adds the option that gives the executor cores of its own."""
    parser.add_argument(
        "--apart",
        action="store_true",
        help="the executor and its sandboxes have half of the cores and everything else the other half, as where the "
        "services have machines of their own (backend process only: an engine's containers run where it likes)",
    )


def places(arguments: argparse.Namespace) -> str:
    """Returns on which cores things run, as a sentence of a report."""
    if arguments.apart:
        return "The executor has half of the cores, all the others share the other half."
    return "Env, executor and judge are processes of their own on the same cores; the executor alone has them all."


def layout(arguments: argparse.Namespace) -> str:
    """Returns what a title says of where things run; "" where they share all cores."""
    return ", the executor apart" if arguments.apart else ""


def options(arguments: argparse.Namespace, backend: str) -> str:
    """Returns the options of a command that says where things run."""
    return f"--backend {backend}" + (" --apart" if arguments.apart else "")


@contextmanager
def arena_processes(folder: Path, backend: str, *, apart: bool = False) -> Iterator[tuple[str, str]]:
    """Runs env, executor and judge as processes of their own; yields the addresses of env and executor.

    Args:
        folder: For their data.
        backend: Of the executor.
        apart: Whether the executor has half of the cores of its own, the other half being this process's as well.

    Raises:
        StartError: One of them does not start, or the executor cannot have cores of its own.
    """
    if apart and backend != "process":
        raise StartError("--apart takes the backend process: an engine's containers run where it likes")
    variables = {"CODEARENA_SANDBOX_BACKEND": backend}
    with ExitStack() as stack:
        prefix = stack.enter_context(_cores_apart()) if apart else ()
        running = {
            "executor": stack.enter_context(service("executor", folder, variables, prefix)),
            "judge": stack.enter_context(service("judge", folder, variables)),
        }
        variables |= {f"CODEARENA_{part.upper()}_ADDRESS": process.address for part, process in running.items()}
        env = stack.enter_context(service("env", folder, variables))
        yield env.address, running["executor"].address


@contextmanager
def _cores_apart() -> Iterator[Sequence[str]]:
    """Keeps this process on half of its cores; yields what a command is started with to have the other half."""
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    if not half:
        raise StartError("there is one core only: nothing can be apart")
    os.sched_setaffinity(0, cores[half:])
    try:
        yield ["taskset", "--cpu-list", ",".join(map(str, cores[:half]))]
    finally:
        os.sched_setaffinity(0, cores)


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
