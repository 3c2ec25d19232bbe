"""Every service restarted in turn while streams of steps go on, as a rolling update does.

Two replicas of env, of executor and of judge run as processes of their own, on one database; clients know both env
services, and both know all the others. One after the other is told to end (SIGTERM), awaited, started again, and given
a moment until it is known again. Clients play episodes over one stream each and hear of no restart: what they saw
answered must be in the store, once, with the same reward. With sandboxes that are pods, CODEARENA_KUBERNETES_* say in
which cluster, as `tools/test_kubernetes.sh` sets them.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import workloads
from benchmarks.command import main_of
from benchmarks.figures import Figures, median
from benchmarks.processes import ServiceProcess
from benchmarks.stored import Stored, new_database, stored
from codearena import ArenaError, AsyncArenaClient, StepCall
from services.env.task_schema import Task

SERVICES = ("executor", "judge", "env")
_COMMAND = ".venv/bin/python -m benchmarks.rolling"
_REPLICAS = 2
_STEPS_AN_EPISODE = 5
_CATEGORY = "type_errors"  # its buggy code ends soon
_PATIENCE_SECONDS = 120.0
RUN = "rolling"
_BACKENDS = ("process", "docker", "kubernetes")
_SETTINGS = {
    "CODEARENA_DRAIN_SECONDS": "0.5",
    "CODEARENA_GRACE_SECONDS": "30",
}


@dataclass
class Seen:
    """What the clients saw.

    Attributes:
        rewards: Reward by episode and request.
        replayed: Answers that had been there before: the step had been sent again.
        failures: Steps and streams that failed, by error.
        seconds: How long each answer took, with when it came.
        over: Set when no more episodes are to be begun.
    """

    rewards: dict[tuple[str, str], float] = field(default_factory=dict)
    replayed: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True, slots=True)
class Roll:
    """One restart: of which service, its exit status, seconds until it had ended, and until it served again."""

    service: str
    status: int
    ending: float
    starting: float


def _fix(task: Task, number: int, step: int) -> str:
    """Returns one of five fixes of which only the last one solves the task; none takes long to run."""
    if step < _STEPS_AN_EPISODE:
        return f"def nothing(): return {10 * number + step}\n"
    return workloads.distinct(task.reference, number)


async def _episodes(client: AsyncArenaClient, tasks: list[Task], numbers: Iterator[int], seen: Seen) -> None:
    """Plays one episode after the other over one stream."""
    answers: asyncio.Queue[ArenaError | None] = asyncio.Queue(1)

    async def steps() -> AsyncIterator[StepCall]:
        for number in numbers:
            if seen.over.is_set():
                return
            task = tasks[number % len(tasks)]
            episode = await client.reset(task.id, run_id=RUN, timeout_seconds=_PATIENCE_SECONDS)
            for step in range(1, _STEPS_AN_EPISODE + 1):
                started = time.perf_counter()
                yield StepCall(episode.episode_id, _fix(task, number, step), f"request {step}")
                if await answers.get() is not None:
                    break
                seen.seconds.append(time.perf_counter() - started)

    async for call, result in client.step_stream(steps()):
        if isinstance(result, ArenaError):
            seen.failures[f"step: {result}"] += 1
            await answers.put(result)
            continue
        seen.rewards[call.episode_id, call.request_id or ""] = result.reward
        seen.replayed += result.replayed
        await answers.put(None)


async def _play(address: str, tasks: list[Task], numbers: Iterator[int], seen: Seen) -> None:
    """Is one client until the time is over; what reaches it as an error is a failure."""
    async with AsyncArenaClient(address) as client:
        while not seen.over.is_set():
            try:
                await _episodes(client, tasks, numbers, seen)
            except ArenaError as error:
                seen.failures[f"stream: {error}"] += 1


async def _roll(processes: Iterable[ServiceProcess], settle: float) -> list[Roll]:
    """Restarts one process after the other; the next one only once the last one is back."""
    rolls = []
    for process in processes:
        began = time.perf_counter()
        status = await asyncio.to_thread(process.stop)
        ended = time.perf_counter()
        process.start()
        await asyncio.to_thread(process.wait_ready)
        rolls.append(Roll(process.name, status, ended - began, time.perf_counter() - ended))
        await asyncio.sleep(settle)
    return rolls


async def play(
    address: str, clients: int, processes: Iterable[ServiceProcess], settle: float
) -> tuple[Seen, list[Roll]]:
    """Plays while processes are restarted; returns what the clients saw, and the restarts.

    Args:
        address: Of env.
        clients: How many play.
        processes: Restarted in this order.
        settle: Seconds after each restart, and before the first.
    """
    seen, numbers = Seen(), itertools.count()
    tasks = [task for task in workloads.catalogue() if task.category == _CATEGORY]
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(_play(address, tasks, numbers, seen))
        await asyncio.sleep(settle)
        rolls = await _roll(processes, settle)
        seen.over.set()
    return seen, rolls


def target(processes: list[ServiceProcess]) -> str:
    """Returns the gRPC target of all replicas of a service."""
    return "ipv4:" + ",".join(process.address for process in processes)


def start_replicas(
    folder: Path, data: Path, url: str, stack: ExitStack, backend: str = "process"
) -> dict[str, list[ServiceProcess]]:
    """Starts two of each service, on one database; the stack ends them.

    Args:
        folder: For their logs.
        data: Their data directory, in which the sandboxes' root may be there already.
        url: Of the database.
        stack: Ends them.
        backend: Of the sandboxes.
    """
    own = {"CODEARENA_DATA_DIR": str(data), "CODEARENA_SANDBOX_BACKEND": backend}
    if backend == "kubernetes":
        own |= {name: value for name, value in os.environ.items() if name.startswith("CODEARENA_KUBERNETES_")}
    variables, replicas = _SETTINGS | own, {}
    for name in SERVICES:
        if name == "env":
            variables["CODEARENA_DATABASE_URL"] = url
        replicas[name] = [ServiceProcess(name, _own(folder, name, number), variables) for number in range(_REPLICAS)]
        variables[f"CODEARENA_{name.upper()}_ADDRESS"] = target(replicas[name])
    for process in itertools.chain(*replicas.values()):
        stack.callback(process.stop)
        process.start()
    for process in itertools.chain(*replicas.values()):
        process.wait_ready()
    return replicas


def _own(folder: Path, name: str, number: int) -> Path:
    own = folder / f"{name}-{number}"
    own.mkdir()
    return own


def misses(seen: Seen, found: Stored) -> dict[str, int]:
    """Returns what must be nothing: by what it is, how many there are."""
    return {
        "steps or streams that failed": sum(seen.failures.values()),
        "answered steps that the store has not": len(seen.rewards.keys() - found.rewards.keys()),
        "steps in the store that nobody saw answered": len(found.rewards.keys() - seen.rewards.keys()),
        "steps graded twice": found.steps - found.distinct,
        "steps not at the number of their request": found.misplaced,
        "rewards that are not the stored ones": sum(
            abs(found.rewards.get(key, reward) - reward) > 1e-9 for key, reward in seen.rewards.items()
        ),
    }


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--backend", choices=_BACKENDS, default="process", help="of the sandboxes (default process)")
    parser.add_argument("--clients", type=int, default=16, help="streaming clients (default 16)")
    parser.add_argument("--rounds", type=int, default=2, help="restarts of every process (default 2)")
    parser.add_argument("--settle", type=float, default=5.0, help="seconds between two restarts (default 5)")
    parser.add_argument("--database-url", help="SQLAlchemy URL of an empty database (default: a new PostgreSQL)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        url, kind = stack.enter_context(new_database(folder, arguments.database_url))
        replicas = start_replicas(folder, folder / "data", url, stack, arguments.backend)
        each = [process for name in SERVICES for process in replicas[name]] * arguments.rounds
        seen, rolls = asyncio.run(play(target(replicas["env"]), arguments.clients, each, arguments.settle))
        found = asyncio.run(stored(url, RUN))
    rows = [("steps that the clients saw graded", f"{len(seen.rewards):,}")]
    rows += [(what, f"{count:,}") for what, count in misses(seen, found).items()]
    rows.append(("services that did not end with status 0", f"{sum(roll.status != 0 for roll in rolls)}"))
    rows += [(f"failure: {why[:80]}", f"{count:,}") for why, count in seen.failures.most_common(5)]
    rows.append(("answers that had been graded before the stream broke", f"{seen.replayed:,}"))
    rows.append(("longest wait for an answer, seconds", f"{max(seen.seconds):.1f}"))
    for service in SERVICES:
        ending = [roll.ending for roll in rolls if roll.service == service]
        starting = [roll.starting for roll in rolls if roll.service == service]
        what = f"{service}: restarts; seconds to its end, median and longest; until it serves again, median"
        rows.append((what, f"{len(ending)}; {median(ending):.1f}, {max(ending):.1f}; {median(starting):.1f}"))
    yield Figures(
        f"Rolling restart of every service under {arguments.clients} streams",
        f"{_COMMAND} --backend {arguments.backend} --clients {arguments.clients} --rounds {arguments.rounds} "
        f"--settle {arguments.settle:g}",
        ("what", "figure"),
        rows,
        f"{_REPLICAS} replicas of each service, backend {arguments.backend}, {kind}, one machine for all.",
    )


if __name__ == "__main__":
    main_of("rolling", __doc__, add_arguments, measure)
