"""What the services add to a grading: all that a client waits for, less what it would wait for anyway.

That is the longer of the two that run beside each other, sandbox (from the queue to its answer) and judge. Measured one
grading after the other, and on a machine that has come to rest before each. `Step` claims an episode and stores a step,
`Grade` has none. An RPC that only looks something up shows what gRPC costs: a grading is an RPC to the env service with
one to the executor inside it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from benchmarks import workloads
from benchmarks.command import add_backends, each_backend, main_of
from benchmarks.figures import Figures, median, milliseconds
from benchmarks.stages import ALONE, Stages
from codearena import AsyncArenaClient
from services.env.store import Episode, Step
from services.env.store_sql import SqlStore
from services.env.transactions import open_database
from services.standalone.arena import arena

_TASK = "type_errors-1"
_COLUMNS = ("call", "total ms", "sandbox ms", "judge ms", "store ms", "added ms", "env alone ms")
Call = Callable[[], Awaitable[object]]
Measured = dict[str, list[float]]


class _Clock:
    """Times calls and what they waited for."""

    def __init__(self, registries: Mapping[str, CollectorRegistry]) -> None:
        self._stages = Stages(registries["env"])
        self._executor = registries["executor"]
        self._handled = 0.0

    def _handling(self) -> float:
        """Returns the seconds that the executor has had its RPC since the last call."""
        labels = {"grpc_service": "codearena.v1.ExecutorService", "grpc_method": "Execute"}
        before = self._handled
        self._handled = self._executor.get_sample_value("grpc_server_handling_seconds_sum", labels) or 0.0
        return self._handled - before

    async def time(self, call: Call, found: Measured) -> None:
        """Makes a call and adds its seconds: in all, by stage, and what the services and env alone added."""
        self._stages.since(), self._handling()
        started = time.perf_counter()
        await call()
        whole = time.perf_counter() - started
        parts = self._stages.since()
        own = max(0.0, parts["total"] - max(self._handling(), parts["judge"]))
        sandbox = parts["queue"] + parts["provision"] + parts["execute"]
        added = whole - max(sandbox, parts["judge"])
        seconds = parts | {"whole": whole, "sandbox": sandbox, "added": added, "own": own}
        for name, value in seconds.items():
            found.setdefault(name, []).append(value)


async def _measure(backend: str, url: str | None, rounds: int, pause: float) -> list[tuple[str, Measured]]:
    task = next(task for task in workloads.catalogue() if task.id == _TASK)
    fixes = (workloads.distinct(task.reference, number) for number in itertools.count())
    found: list[tuple[str, Measured]] = []
    settings = ALONE | {"database_url": SecretStr(url) if url else None}
    with tempfile.TemporaryDirectory() as folder:
        async with (
            arena(port=0, private=True, data_dir=Path(folder), sandbox_backend=backend, **settings) as running,
            AsyncArenaClient(running.address) as client,
        ):
            clock = _Clock(running.registries)
            await client.grade(task.id, next(fixes))  # measures the reference once
            for rest, times in ((0.0, 4 * rounds), (pause, rounds)):
                how = f"{rest:g} s of rest before each" if rest else "one after the other"
                looked_up: Measured = {}
                stepped: Measured = {}
                graded: Measured = {}
                for _ in range(times):
                    episode = await client.reset(task.id)
                    await asyncio.sleep(rest)
                    await clock.time(lambda: client.get_task(task.id), looked_up)
                    await asyncio.sleep(rest)
                    await clock.time(lambda e=episode: e.step(next(fixes)), stepped)  # type: ignore[misc]
                    await asyncio.sleep(rest)
                    await clock.time(lambda: client.grade(task.id, next(fixes)), graded)
                found += [(f"GetTask, {how}", looked_up), (f"Step, {how}", stepped), (f"Grade, {how}", graded)]
        found.append(("the store alone", await _store_alone(url or f"sqlite:///{folder}/alone.sqlite3", 4 * rounds)))
    return found


async def _store_alone(url: str, times: int) -> Measured:
    """Claims episodes and stores a step in each, with nothing else going on."""
    store, now, seconds = SqlStore(open_database(url)), datetime.now(UTC), []
    await store.start()
    try:
        for number in range(times):
            episode = Episode(f"alone_{number}", _TASK, "", None, now, done=False)
            await store.create(episode)
            started = time.perf_counter()
            await store.claim(episode.episode_id, "me", 60)
            await store.add_step(episode.episode_id, "me", Step(1, "r", "x" * 500, 0.5, 1, 1, bytes(3000), now))
            seconds.append(time.perf_counter() - started)
    finally:
        await store.stop()
    nothing = [0.0] * times
    return {"whole": seconds, "store": seconds, "sandbox": nothing, "judge": nothing, "added": seconds, "own": seconds}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    parser.add_argument("--rounds", type=int, default=30, help="calls at rest; four times as many without (default 30)")
    parser.add_argument("--database-url", help="SQLAlchemy URL of an empty database (default: SQLite in a new folder)")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds of rest (default 0.5)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table for each backend."""

    def one(backend: str) -> Iterator[Figures]:
        found = asyncio.run(_measure(backend, arguments.database_url, arguments.rounds, arguments.pause))
        names = ("whole", "sandbox", "judge", "store", "added", "own")
        rows = [(call, *(milliseconds(median(values[name])) for name in names)) for call, values in found]
        command = f".venv/bin/python -m benchmarks.overhead --backend {backend}"
        store = "PostgreSQL" if (arguments.database_url or "").startswith("postgres") else "SQLite"
        note = (
            f"Medians, task {_TASK}, {store}. Added is the total less the longer of sandbox and judge; env alone is "
            "its time of a step less the longer of the RPCs to executor and judge. `Step` claims an episode and stores "
            "a step before it answers, `Grade` does neither. The floor: two RPCs, one inside the other, take twice "
            "`GetTask`, a `Step` also what the store takes alone; within a step it meets cold caches and busy cores."
        )
        yield Figures(f"What the services add, backend {backend}", command, _COLUMNS, rows, note)

    return each_backend(arguments, one, "What the services add")


if __name__ == "__main__":
    main_of("overhead", __doc__, add_arguments, measure)
