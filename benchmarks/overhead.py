"""What the services add to a grading: all that a client waits for, less what it would wait for anyway.

That is the longer of the two that run beside each other, sandbox and judge. Measured one grading after the other, and
on a machine that has come to rest before each. `Step` reads and writes an episode, `Grade` has none. An RPC that only
looks something up shows what gRPC costs: a grading is an RPC to the env service with one to the executor inside it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

from benchmarks import workloads
from benchmarks.command import add_backends, each_backend, main_of
from benchmarks.figures import Figures, median, milliseconds
from benchmarks.stages import ALONE, Stages
from codearena import AsyncArenaClient
from services.standalone.arena import arena

_TASK = "type_errors-1"
_COLUMNS = ("call", "total ms", "sandbox ms", "judge ms", "write ms", "added ms")
Call = Callable[[], Awaitable[object]]
Measured = dict[str, list[float]]


async def _timed(call: Call, stages: Stages, found: Measured) -> None:
    stages.since()
    started = time.perf_counter()
    await call()
    total = time.perf_counter() - started
    parts = stages.since()
    waited = max(parts["execute"], parts["judge"])
    for name, value in (("total", total), ("added", total - waited), *parts.items()):
        found.setdefault(name, []).append(value)


async def _measure(backend: str, rounds: int, pause: float) -> list[tuple[str, Measured]]:
    task = next(task for task in workloads.catalogue() if task.id == _TASK)
    fixes = (workloads.distinct(task.reference, number) for number in itertools.count())
    found: list[tuple[str, Measured]] = []
    with tempfile.TemporaryDirectory() as folder:
        async with (
            arena(port=0, private=True, data_dir=Path(folder), sandbox_backend=backend, **ALONE) as running,
            AsyncArenaClient(running.address) as client,
        ):
            stages = Stages(running.registries["env"])
            await client.grade(task.id, next(fixes))  # measures the reference once
            for rest, times in ((0.0, 4 * rounds), (pause, rounds)):
                how = f"{rest:g} s of rest before each" if rest else "one after the other"
                looked_up: Measured = {}
                stepped: Measured = {}
                graded: Measured = {}
                for _ in range(times):
                    episode = await client.reset(task.id)
                    await asyncio.sleep(rest)
                    await _timed(lambda: client.get_task(task.id), stages, looked_up)
                    await asyncio.sleep(rest)
                    await _timed(lambda e=episode: e.step(next(fixes)), stages, stepped)  # type: ignore[misc]
                    await asyncio.sleep(rest)
                    await _timed(lambda: client.grade(task.id, next(fixes)), stages, graded)
                found += [(f"GetTask, {how}", looked_up), (f"Step, {how}", stepped), (f"Grade, {how}", graded)]
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    parser.add_argument("--rounds", type=int, default=30, help="calls at rest; four times as many without (default 30)")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds of rest (default 0.5)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table for each backend."""

    def one(backend: str) -> Iterator[Figures]:
        found = asyncio.run(_measure(backend, arguments.rounds, arguments.pause))
        names = ("total", "execute", "judge", "store", "added")
        rows = [(call, *(milliseconds(median(values[name])) for name in names)) for call, values in found]
        command = f".venv/bin/python -m benchmarks.overhead --backend {backend}"
        note = (
            f"Medians, task {_TASK}. Added is the total less the longer of sandbox and judge. `Step` also reads an "
            "episode, and stores the step before it answers. The floor of two RPCs, one inside the other, is twice "
            "`GetTask`."
        )
        yield Figures(f"What the services add, backend {backend}", command, _COLUMNS, rows, note)

    return each_backend(arguments, one, "What the services add")


if __name__ == "__main__":
    main_of("overhead", __doc__, add_arguments, measure)
