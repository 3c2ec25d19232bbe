"""What thousands of open episodes cost the services, each in a process of its own.

Env, executor and judge run as an operator runs them. After a warm-up their memory is read, then episodes are opened
and left open, and it is read again. An open episode is a row of the store; the services keep nothing of it. `Reset` is
timed before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks.command import main_of
from benchmarks.figures import Figures, median, milliseconds
from benchmarks.processes import Running, descendants, proportional_bytes, resident_bytes, service
from codearena import AsyncArenaClient

_SERVICES = ("env", "executor", "judge")
_EPISODES, _WARM_UP, _TIMED = 2000, 50, 200
_AT_ONCE = 8
_REST_SECONDS = 3.0
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class Reading:
    """Memory at one moment, by service.

    Attributes:
        resident: Bytes of the service's process.
        below: Bytes of the processes below it, shared pages in part: workers and ready sandboxes.
        store: Bytes of the store's files.
    """

    resident: dict[str, int]
    below: dict[str, int]
    store: int


def _read(running: dict[str, Running], folder: Path) -> Reading:
    return Reading(
        {name: resident_bytes(process.pid) for name, process in running.items()},
        {name: sum(map(proportional_bytes, descendants(process.pid))) for name, process in running.items()},
        sum(file.stat().st_size for file in folder.glob("codearena.sqlite3*")),
    )


async def _open(client: AsyncArenaClient, task: str, count: int, at_once: int, *, close: bool = False) -> list[float]:
    """Opens episodes, and closes them again if told to. Returns the seconds that each Reset took."""
    left = iter(range(count))
    seconds: list[float] = []

    async def caller() -> None:
        for number in left:
            started = time.perf_counter()
            episode = await client.reset(task, seed=number, run_id=f"run-{number % 8}")
            seconds.append(time.perf_counter() - started)
            if close:
                await episode.close()

    await asyncio.gather(*(caller() for _ in range(at_once)))
    return seconds


async def _measure(
    running: dict[str, Running], folder: Path, task: str, episodes: int
) -> tuple[Reading, Reading, list[float], list[float]]:
    async with AsyncArenaClient(running["env"].address) as client:
        await _open(client, task, _WARM_UP, _AT_ONCE, close=True)
        before_seconds = await _open(client, task, _TIMED, 1, close=True)
        await asyncio.sleep(_REST_SECONDS)
        before = _read(running, folder)
        await _open(client, task, episodes, _AT_ONCE)
        await asyncio.sleep(_REST_SECONDS)
        after = _read(running, folder)
        return before, after, before_seconds, await _open(client, task, _TIMED, 1, close=True)


def _figures(
    episodes: int, task: str, before: Reading, after: Reading, seconds: list[float], later_seconds: list[float]
) -> Figures:
    def row(name: str, one: int, other: int) -> tuple[str, ...]:
        growth = other - one
        return name, f"{one / _MIB:.1f}", f"{other / _MIB:.1f}", f"{growth / episodes:+.0f}"

    rows = [row(name, before.resident[name], after.resident[name]) for name in _SERVICES]
    rows.append(row("all three", sum(before.resident.values()), sum(after.resident.values())))
    rows += [row(f"below {name}", before.below[name], after.below[name]) for name in _SERVICES]
    rows.append(row("the store's files", before.store, after.store))
    rows.append(("Reset, median ms", milliseconds(median(seconds)), milliseconds(median(later_seconds)), ""))
    columns = ("MiB", "none open", f"{episodes:,} open", "bytes an episode")
    note = "Below: worker processes and ready sandboxes, shared pages in part. Process backend, SQLite."
    command = f".venv/bin/python -m benchmarks.memory --episodes {episodes} --task {task}"
    return Figures(f"Memory of the services with {episodes:,} open episodes", command, columns, rows, note)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--episodes", type=int, default=_EPISODES, help=f"episodes to open (default {_EPISODES:,})")
    parser.add_argument("--task", default="hard-1", help="what they are about (default hard-1)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        variables = {"CODEARENA_SANDBOX_BACKEND": "process"}
        running = {part: stack.enter_context(service(part, folder, variables)) for part in ("executor", "judge")}
        variables |= {f"CODEARENA_{part.upper()}_ADDRESS": process.address for part, process in running.items()}
        running["env"] = stack.enter_context(service("env", folder, variables))
        found = asyncio.run(_measure(running, folder, arguments.task, arguments.episodes))
    yield _figures(arguments.episodes, arguments.task, *found)


if __name__ == "__main__":
    main_of("memory", __doc__, add_arguments, measure)
