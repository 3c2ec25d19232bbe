"""A crowd: thousands of open episodes, dozens of streams of steps, and callers who want a quick answer meanwhile.

Env, executor and judge run as processes of their own. While the streams keep the executor saturated, `Reset` and
`GetState` are called one after the other and timed, by a process of its own too. What fails is counted by its status.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import grpc

from benchmarks import workloads
from benchmarks.command import main_of
from benchmarks.figures import Figures, milliseconds, percentile
from benchmarks.processes import Running, resident_bytes, service
from codearena import ArenaClient, AsyncArenaClient
from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1.env_service_pb2_grpc import EnvServiceStub

_TASK = "type_errors-1"
_OPENERS = 8
_UNANSWERED = 2  # steps of one stream that wait for an answer
_MIB = 2**20
_BACKPRESSURE = {grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]}


@dataclass
class Seen:
    """What the crowd saw.

    Attributes:
        answers: Steps that were graded.
        errors: Others, by reason.
        backpressure: Those that were told to come back later.
        reset: Seconds of each Reset.
        state: Seconds of each GetState.
        memory: The most bytes that env had.
    """

    answers: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    backpressure: int = 0
    reset: list[float] = field(default_factory=list)
    state: list[float] = field(default_factory=list)
    memory: int = 0


async def _open(client: AsyncArenaClient, count: int) -> list[str]:
    left, opened = iter(range(count)), []

    async def opener() -> None:
        for _ in left:
            opened.append((await client.reset(_TASK, run_id="crowd")).episode_id)

    await asyncio.gather(*(opener() for _ in range(_OPENERS)))
    return opened


async def _stream(stub: Any, episodes: Sequence[str], end: float, seen: Seen) -> None:  # noqa: ANN401  untyped stub
    """Sends steps of some episodes in turn, a few at a time, until the time is over."""
    call = stub.StepStream()
    room = asyncio.Semaphore(_UNANSWERED)
    fix = next(task for task in workloads.catalogue() if task.id == _TASK).buggy_code

    async def send() -> None:
        for number in itertools.count():
            await room.acquire()
            if time.monotonic() > end or number >= 5 * len(episodes):
                break
            episode = episodes[number % len(episodes)]
            step = wire.StepRequest(
                episode_id=episode, request_id=f"r{number}", proposed_fix=f"{fix}\n# {episode} {number}\n"
            )
            await call.write(wire.StepStreamRequest(step=step))
        await call.done_writing()

    sending = asyncio.create_task(send())
    try:
        async for answer in call:
            room.release()
            if answer.WhichOneof("result") == "response":
                seen.answers += 1
            elif answer.error.code in _BACKPRESSURE:
                seen.backpressure += 1
            else:
                seen.errors[reasons.ErrorReason.Name(answer.error.reason)] += 1
    except grpc.aio.AioRpcError as error:
        seen.errors[error.code().name] += 1
    finally:
        sending.cancel()


def probe(address: str, episodes: Sequence[str], seconds: float) -> tuple[list[float], list[float]]:
    """Calls `Reset` and `GetState` in turn for a while; returns how many seconds each call of either took."""
    took: tuple[list[float], list[float]] = [], []
    end = time.monotonic() + seconds
    with ArenaClient(address) as client:
        for episode in itertools.cycle(episodes):
            if time.monotonic() > end:
                break
            started = time.perf_counter()
            client.reset(_TASK, run_id="probe")
            took[0].append(time.perf_counter() - started)
            time.sleep(0.01)
            started = time.perf_counter()
            client.get_state(episode)
            took[1].append(time.perf_counter() - started)
            time.sleep(0.01)
    return took


async def _watch(env: Running, end: float, seen: Seen) -> None:
    while time.monotonic() < end:
        seen.memory = max(seen.memory, resident_bytes(env.pid))
        await asyncio.sleep(0.2)


async def _measure(env: Running, episodes: int, streams: int, seconds: float) -> Seen:
    seen = Seen()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return await _crowd(env, episodes, streams, seconds, pool, seen)


async def _crowd(
    env: Running, episodes: int, streams: int, seconds: float, pool: ProcessPoolExecutor, seen: Seen
) -> Seen:
    async with AsyncArenaClient(env.address) as client, grpc.aio.insecure_channel(env.address) as channel:
        await client.grade(_TASK, next(task.reference for task in workloads.catalogue() if task.id == _TASK))
        opened = await _open(client, episodes)
        stub = EnvServiceStub(channel)
        end = time.monotonic() + seconds
        loop = asyncio.get_running_loop()
        probing = loop.run_in_executor(pool, probe, env.address, opened, seconds)
        async with asyncio.TaskGroup() as group:
            for number in range(streams):
                group.create_task(_stream(stub, opened[number::streams], end, seen))
            group.create_task(_watch(env, end, seen))
        seen.reset, seen.state = await probing
    return seen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--episodes", type=int, default=2000, help="episodes to open (default 2000)")
    parser.add_argument("--streams", type=int, default=64, help="streams of steps (default 64)")
    parser.add_argument("--seconds", type=float, default=30.0, help="for how long (default 30)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        variables = {"CODEARENA_SANDBOX_BACKEND": "process"}
        running = {part: stack.enter_context(service(part, folder, variables)) for part in ("executor", "judge")}
        variables |= {f"CODEARENA_{part.upper()}_ADDRESS": process.address for part, process in running.items()}
        env = stack.enter_context(service("env", folder, variables))
        seen = asyncio.run(_measure(env, arguments.episodes, arguments.streams, arguments.seconds))
    rows = [
        ("steps graded", f"{seen.answers:,}"),
        ("steps graded a second", f"{seen.answers / arguments.seconds:.0f}"),
        ("told to come back later", f"{seen.backpressure:,}"),
        ("other errors", ", ".join(f"{count} {name}" for name, count in seen.errors.items()) or "0"),
        ("env's memory at most, MiB", f"{seen.memory / _MIB:.0f}"),
    ]
    for what, values in (("Reset", seen.reset), ("GetState", seen.state)):
        shown = [milliseconds(percentile(sorted(values), part)) for part in (0.5, 0.99)]
        rows.append((f"{what}: calls; median and 99th percentile, ms", f"{len(values):,}; {', '.join(shown)}"))
    command = (
        f".venv/bin/python -m benchmarks.crowd --episodes {arguments.episodes} --streams {arguments.streams} "
        f"--seconds {arguments.seconds:g}"
    )
    title = f"{arguments.episodes:,} open episodes and {arguments.streams} streams"
    note = "Process backend, SQLite; the crowd runs on the same cores as the services."
    yield Figures(title, command, ("what", "figure"), rows, note)


if __name__ == "__main__":
    main_of("crowd", __doc__, add_arguments, measure)
