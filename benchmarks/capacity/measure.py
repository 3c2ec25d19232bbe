"""Measures what a step costs: env, executor, judge and PostgreSQL as processes of their own, one machine for all."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from benchmarks import workloads
from benchmarks.capacity.durations import Costs, Distribution, Durations
from benchmarks.processes import Running, service, tree_cpu_seconds
from benchmarks.stored import new_database
from codearena import AsyncArenaClient
from services.common.errors import StartError
from services.env.task_schema import Task
from services.env.transactions import open_database
from tests.postgres import programs

STEPS_AN_EPISODE = 4
"""The last one is the reference solution, the others fail tests."""
_STAGES = ("provision", "execute", "judge", "store")
_STAGE = 'codearena_step_duration_seconds_sum{{stage="{}"}}'


@dataclass(frozen=True, slots=True)
class Stand:
    """An arena to measure.

    Attributes:
        env, executor, judge: Its services.
        postmaster: PostgreSQL's process, which has the others below it.
        url: Of the database.
    """

    env: Running
    executor: Running
    judge: Running
    postmaster: int
    url: str

    def cpu_seconds(self) -> Costs:
        """Returns the CPU time of each part so far; that of the client is this process's."""
        return Costs(
            client=time.process_time(),
            env=tree_cpu_seconds(self.env.pid),
            executor=tree_cpu_seconds(self.executor.pid),
            judge=tree_cpu_seconds(self.judge.pid),
            database=tree_cpu_seconds(self.postmaster),
        )


@dataclass(frozen=True, slots=True)
class Load:
    """What a number of clients saw who each wait for an answer before they send the next step.

    Attributes:
        clients: How many there were.
        rate: Steps a second.
        seconds: Of each step, in order.
        others: Cores that other programs on the machine had meanwhile, in the mean.
    """

    clients: int
    rate: float
    seconds: list[float]
    others: float


@contextlib.contextmanager
def stand(backend: str) -> Iterator[Stand]:
    """Runs an arena while the block runs. Raises StartError where no PostgreSQL server is installed."""
    if programs() is None:
        raise StartError("what a step costs the database is measured on PostgreSQL, and none is installed")
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        url, _ = stack.enter_context(new_database(folder))
        variables = {"CODEARENA_SANDBOX_BACKEND": backend}
        peers = {part: stack.enter_context(service(part, folder, variables)) for part in ("executor", "judge")}
        addresses = {f"CODEARENA_{part.upper()}_ADDRESS": peer.address for part, peer in peers.items()}
        env = stack.enter_context(service("env", folder, {**addresses, "CODEARENA_DATABASE_URL": url}))
        pid_file = folder / "postgresql" / "data" / "postmaster.pid"
        postmaster = int(pid_file.read_text().splitlines()[0])
        yield Stand(env, peers["executor"], peers["judge"], postmaster, url)


def durations_of(place: Stand, steps: int) -> Durations:
    """Measures costs and stages with one client, after a warm-up that sees every task of the mix."""
    numbers = itertools.count()
    asyncio.run(_play(place, 1, numbers, len(workloads.mix()), 1))
    before, bytes_before = place.cpu_seconds(), asyncio.run(_bytes(place.url))
    load = asyncio.run(_play(place, 1, numbers, steps))
    after, bytes_after = place.cpu_seconds(), asyncio.run(_bytes(place.url))
    per_step = Costs(*((getattr(after, n) - getattr(before, n)) / len(load.seconds) for n in Costs.__slots__))
    stages = asyncio.run(_stages(place, numbers, steps))
    return Durations(
        {name: Distribution.of(values) for name, values in {**stages, "total": load.seconds}.items()},
        per_step,
        (bytes_after - bytes_before) / len(load.seconds),
        STEPS_AN_EPISODE,
    )


def load_of(place: Stand, clients: int, steps: int) -> Load:
    """Measures what so many clients see."""
    return asyncio.run(_play(place, clients, itertools.count(1_000_000 * clients), steps))


async def _play(
    place: Stand, clients: int, numbers: Iterator[int], steps: int, steps_an_episode: int = STEPS_AN_EPISODE
) -> Load:
    tasks = workloads.mix()
    took: list[float] = []
    busy, own, started = _machine_cpu(), place.cpu_seconds().total, time.perf_counter()

    async def client(arena: AsyncArenaClient) -> None:
        while len(took) < steps:
            number = next(numbers)
            episode = await arena.reset(tasks[number % len(tasks)].id, timeout_seconds=120)
            for step in range(1, steps_an_episode + 1):
                began = time.perf_counter()
                await arena.step(episode.episode_id, _fix(tasks[number % len(tasks)], number, step))
                took.append(time.perf_counter() - began)

    async with AsyncArenaClient(place.env.address) as arena:
        await asyncio.gather(*(client(arena) for _ in range(clients)))
    seconds = time.perf_counter() - started
    others = (_machine_cpu() - busy - (place.cpu_seconds().total - own)) / seconds
    return Load(clients, len(took) / seconds, took, max(0.0, others))


async def _stages(place: Stand, numbers: Iterator[int], steps: int) -> dict[str, list[float]]:
    """Plays on and looks at env's own account after each step."""
    found: dict[str, list[float]] = {stage: [] for stage in _STAGES}
    tasks = workloads.mix()
    async with AsyncArenaClient(place.env.address) as arena:
        while len(found["execute"]) < steps:
            number = next(numbers)
            episode = await arena.reset(tasks[number % len(tasks)].id, timeout_seconds=120)
            before = await asyncio.to_thread(_account, place.env)
            for step in range(1, STEPS_AN_EPISODE + 1):
                await arena.step(episode.episode_id, _fix(tasks[number % len(tasks)], number, step))
                after = await asyncio.to_thread(_account, place.env)
                for stage in _STAGES:
                    found[stage].append(after[stage] - before[stage])
                before = after
    return found


def _account(env: Running) -> dict[str, float]:
    return {stage: env.metric(_STAGE.format(stage)) for stage in _STAGES}


def _fix(task: Task, number: int, step: int) -> str:
    return workloads.distinct(task.reference if step == STEPS_AN_EPISODE else task.buggy_code, 10 * number + step)


def _machine_cpu() -> float:
    """Returns the CPU seconds that all of the machine has used."""
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, interrupts, softirq = map(int, fields[:7])
    return (user + nice + system + interrupts + softirq) / 100


async def _bytes(url: str) -> int:
    def size(connection: Connection) -> int:
        return int(connection.execute(text("SELECT pg_database_size(current_database())")).scalar_one())

    database = open_database(url)
    try:
        return await database.read(size)
    finally:
        await database.stop()
