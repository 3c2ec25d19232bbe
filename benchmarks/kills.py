"""Services that are killed at random while a training run steps on, with a client that retries.

Env, executor and judge run as processes of their own. The same episodes are played twice: undisturbed, and while one of
the three is killed (SIGKILL) and started again, sixty times. Afterwards the store must hold each step once, with the
reward that the undisturbed run gave it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from benchmarks import workloads
from benchmarks.command import main_of
from benchmarks.figures import Figures, median
from benchmarks.processes import ServiceProcess
from benchmarks.stored import stored
from codearena import (
    AsyncArenaClient,
    DeadlineExceededError,
    QueueFullError,
    UnavailableError,
)
from services.env.task_schema import Task

T = TypeVar("T")
_STEPS_AN_EPISODE = 5
_PLAYERS = 8
_PATIENCE_SECONDS = 120.0
_RETRIED = (UnavailableError, DeadlineExceededError, QueueFullError)
_SERVICES = ("env", "executor", "judge")


@dataclass
class Run:
    """What became of one run.

    Attributes:
        rewards: By episode number and step.
        retries: Calls that were made again.
        done: Steps that are done.
        back: Seconds from each start to serving, by service.
        seconds: How long it took.
    """

    rewards: dict[tuple[int, int], float] = field(default_factory=dict)
    retries: int = 0
    done: int = 0
    back: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    seconds: float = 0.0


def _fixes(task: Task, number: int) -> list[str]:
    """Returns five fixes of which only the last one solves the task; the third repeats the first."""
    bug = f"{task.buggy_code}\n# {number}\n"
    return [
        bug,
        f"def nothing(): return {number}\n",
        bug,
        f"def ({number}\n",
        workloads.distinct(task.reference, number),
    ]


async def _insist(call: Callable[[], Awaitable[T]], run: Run) -> T:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return await call()
        except _RETRIED:
            if time.monotonic() > deadline:
                raise
            run.retries += 1
            await asyncio.sleep(0.05)


async def _play(client: AsyncArenaClient, tasks: list[Task], numbers: Iterator[int], run: Run, name: str) -> None:
    for number in numbers:
        task = tasks[number % len(tasks)]
        episode = await _insist(lambda t=task: client.reset(t.id, run_id=name), run)  # type: ignore[misc]
        for step, fix in enumerate(_fixes(task, number), 1):
            result = await _insist(
                lambda e=episode, f=fix, s=step: client.step(e.episode_id, f, f"request {s}", timeout_seconds=30),  # type: ignore[misc]
                run,
            )
            run.rewards[number, step] = result.reward
            run.done += 1


async def _kill(services: dict[str, ServiceProcess], kills: int, steps: int, seed: int, run: Run) -> None:
    """Kills one of the services after every few steps, and starts it again."""
    draw = random.Random(seed)
    for number in range(kills):
        moment = steps * (number + draw.random()) / (kills + 1)
        while run.done < moment:  # noqa: ASYNC110  the steps themselves must not be slowed by a signal
            await asyncio.sleep(0.01)
        victim = services[draw.choice(_SERVICES)]
        await asyncio.to_thread(victim.kill)
        victim.start()
        started = time.perf_counter()
        await asyncio.to_thread(victim.wait_ready)
        run.back[victim.name].append(time.perf_counter() - started)


async def _run(services: dict[str, ServiceProcess], name: str, steps: int, kills: int, seed: int) -> Run:
    run, tasks = Run(), workloads.catalogue()
    numbers = iter(range(steps // _STEPS_AN_EPISODE))
    started = time.perf_counter()
    async with AsyncArenaClient(services["env"].address, max_attempts=1) as client:
        for task in tasks:
            await _insist(lambda t=task: client.grade(t.id, t.reference), run)  # type: ignore[misc]
        async with asyncio.TaskGroup() as group:
            for _ in range(_PLAYERS):
                group.create_task(_play(client, tasks, numbers, run, name))
            group.create_task(_kill(services, kills, steps, seed, run))
    run.seconds = time.perf_counter() - started
    return run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--steps", type=int, default=2000, help="steps of each run (default 2000)")
    parser.add_argument("--kills", type=int, default=60, help="services to kill (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="of the draws when and whom (default 1)")
    parser.add_argument("--database-url", help="SQLAlchemy URL of an empty database (default: SQLite in a new folder)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        url = arguments.database_url or f"sqlite:///{folder / 'codearena.sqlite3'}"
        variables = {"CODEARENA_SANDBOX_BACKEND": "process"}
        services = {part: ServiceProcess(part, folder, variables) for part in ("executor", "judge")}
        variables |= {f"CODEARENA_{part.upper()}_ADDRESS": process.address for part, process in services.items()}
        services["env"] = ServiceProcess("env", folder, variables | {"CODEARENA_DATABASE_URL": url})
        for process in services.values():
            stack.callback(process.stop)
            process.start()
        for process in services.values():
            process.wait_ready()
        calm = asyncio.run(_run(services, "calm", arguments.steps, 0, arguments.seed))
        rough = asyncio.run(_run(services, "rough", arguments.steps, arguments.kills, arguments.seed))
        found = asyncio.run(stored(url, "rough"))
    differing = sum(abs(rough.rewards.get(key, -1.0) - reward) > 1e-9 for key, reward in calm.rewards.items())
    rows = [
        ("steps that the client saw graded", f"{len(rough.rewards):,} of {arguments.steps:,}"),
        ("steps in the store", f"{found.steps:,}"),
        ("of these, distinct (episode, request)", f"{found.distinct:,}"),
        ("of these, not at the number of their request", f"{found.misplaced:,}"),
        ("rewards that differ from the undisturbed run", f"{differing:,}"),
        ("calls that were made again", f"{rough.retries:,}"),
        ("seconds, undisturbed", f"{calm.seconds:.1f}"),
        ("seconds, with kills", f"{rough.seconds:.1f}"),
    ]
    for part in _SERVICES:
        back = rough.back[part] or [0.0]
        rows.append(
            (
                f"{part}: kills; seconds until it serves again, median and longest",
                f"{len(rough.back[part])}; {median(back):.1f}, {max(back):.1f}",
            )
        )
    kind = "PostgreSQL" if url.startswith("postgres") else "SQLite"
    command = f".venv/bin/python -m benchmarks.kills --steps {arguments.steps} --kills {arguments.kills}"
    yield Figures(
        f"{arguments.kills} kills during {arguments.steps:,} steps",
        command,
        ("what", "figure"),
        rows,
        f"Process backend, {kind}, {_PLAYERS} episodes at a time, one machine for all.",
    )


if __name__ == "__main__":
    main_of("kills", __doc__, add_arguments, measure)
