"""Half an hour of steps at four fifths of what the services can take: does anything grow, does anything slow down?

Env, executor, judge and PostgreSQL run as processes of their own. Clients first step as fast as they can, until caches
are full: how fast that is is the capacity. Then steps are due at an even pace of 80 % of it, whether earlier ones have
been answered or not, and each is timed from when it was due. Memory, descriptors, processes, containers and the
database are read all the time; the last five minutes are put beside the first five. CPU time a step tells whether a
service has more to do.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, text

from benchmarks import workloads
from benchmarks.command import BACKENDS, main_of
from benchmarks.endurance import containers_of
from benchmarks.figures import Figures, milliseconds, percentile
from benchmarks.processes import (
    Running,
    descendants,
    descriptors,
    proportional_bytes,
    resident_bytes,
    service,
    tree_cpu_seconds,
)
from benchmarks.stored import new_database
from codearena import ArenaError, AsyncArenaClient
from services.env.task_schema import Task
from services.env.transactions import Transactions, open_database

_SERVICES = ("env", "executor", "judge")
_STEPS_AN_EPISODE = 4
_PATIENCE_SECONDS = 120.0
_WINDOW_SECONDS = 300.0
_LOAD = 0.8
_PLAYERS = 16
_MOST_GROWTH = 1.05
_MOST_SLOWDOWN = 1.2
_MOST_BYTES_A_ROW = 1.1
_MIB = 2**20
_CPU = "CPU s"


@dataclass(frozen=True, slots=True)
class Sample:
    """What there is at one moment.

    Attributes:
        at: Seconds since the beginning.
        figures: By what it is.
    """

    at: float
    figures: dict[str, float]


@dataclass
class Seen:
    """What the clients saw.

    Attributes:
        steps: When each step was due, and how many seconds it took from then.
        failures: Calls that failed, by error.
    """

    steps: list[tuple[float, float]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result.

    Attributes:
        what: What was looked at.
        first: In the first window.
        last: In the last one.
        most: What the last may be at most, as a multiple of the first; None for what is only told.
    """

    what: str
    first: float
    last: float
    most: float | None

    @property
    def ratio(self) -> float:
        """The last by the first; 1 if there is none of it."""
        return self.last / self.first if self.first else 1.0 + self.last

    @property
    def holds(self) -> bool:
        """Whether it is within its bound."""
        return self.most is None or self.ratio <= self.most


Due = Callable[[], Awaitable[float]]


async def _player(
    arena: AsyncArenaClient, tasks: list[Task], numbers: Iterator[int], due: Due, seen: Seen, done: Callable[[], bool]
) -> None:
    """Plays episodes whose steps begin when they are due."""
    while not done():
        number = next(numbers)
        task = tasks[number % len(tasks)]
        try:
            episode = await arena.reset(task.id, run_id="soak", timeout_seconds=_PATIENCE_SECONDS)
            for step in range(1, _STEPS_AN_EPISODE + 1):
                code = task.reference if step == _STEPS_AN_EPISODE else task.buggy_code
                began = await due()
                await arena.step(episode.episode_id, workloads.distinct(code, 10 * number + step))
                seen.steps.append((began, time.monotonic() - began))
            await arena.close_episode(episode.episode_id)
        except ArenaError as error:
            seen.failures[str(error)[:80]] += 1


async def _at_once() -> float:
    return time.monotonic()


def _paced(rate: float) -> Due:
    """Returns when steps are due that come at an even pace."""
    moments = itertools.count()
    started = time.monotonic()

    async def due() -> float:
        moment = started + next(moments) / rate
        await asyncio.sleep(max(0.0, moment - time.monotonic()))
        return moment

    return due


async def _play(address: str, numbers: Iterator[int], due: Due, done: Callable[[Seen], bool]) -> Seen:
    seen, tasks = Seen(), workloads.mix()
    async with AsyncArenaClient(address) as arena, asyncio.TaskGroup() as group:
        for _ in range(_PLAYERS):
            group.create_task(_player(arena, tasks, numbers, due, seen, lambda: done(seen)))
    return seen


def _counts(connection: Connection) -> tuple[float, float]:
    size = "SELECT pg_database_size(current_database())"
    if connection.dialect.name == "sqlite":
        size = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    rows = "SELECT (SELECT count(*) FROM steps) + (SELECT count(*) FROM episodes)"
    return float(connection.execute(text(size)).scalar_one()), float(connection.execute(text(rows)).scalar_one())


async def _sample(running: dict[str, Running], database: Transactions, started: float) -> Sample:
    at = time.monotonic() - started
    size, rows = await database.read(_counts)
    figures = {"database bytes": size, "database rows": rows}
    for name, process in running.items():
        below = descendants(process.pid)
        figures[f"{name}: MiB"] = resident_bytes(process.pid) / _MIB
        figures[f"{name}: MiB of processes below"] = sum(map(proportional_bytes, below)) / _MIB
        figures[f"{name}: descriptors"] = descriptors(process.pid)
        figures[f"{name}: processes"] = 1 + len(below)
        figures[f"{name}: {_CPU}"] = tree_cpu_seconds(process.pid)
    figures["containers"] = await asyncio.to_thread(containers_of, running["executor"].pid)
    return Sample(at, figures)


async def _watch(running: dict[str, Running], url: str, started: float, end: float) -> list[Sample]:
    """Reads all figures sixty times in a window, but no more often than every second."""
    samples, pause = [], max(1.0, _window(end - started) / 60)
    database = open_database(url)
    try:
        while time.monotonic() < end:
            samples.append(await _sample(running, database, started))
            await asyncio.sleep(pause)
    finally:
        await database.stop()
    return samples


async def _soak(
    running: dict[str, Running], url: str, warm_up: int, seconds: float
) -> tuple[float, Seen, list[Sample], float]:
    """Returns the capacity, what the clients saw, the samples, and when it began."""
    numbers, address = itertools.count(), running["env"].address
    warm = await _play(address, numbers, _at_once, lambda s: len(s.steps) + s.failures.total() >= warm_up)
    ends = sorted(due + took for due, took in warm.steps)
    late = ends[len(ends) // 2 :]
    capacity = (len(late) - 1) / (late[-1] - late[0])
    started = time.monotonic()
    end = started + seconds
    watching = asyncio.create_task(_watch(running, url, started, end))
    seen = await _play(address, numbers, _paced(_LOAD * capacity), lambda _: time.monotonic() >= end)
    return capacity, seen, await watching, started


def _window(seconds: float) -> float:
    return min(_WINDOW_SECONDS, seconds / 4)


def compare(samples: list[Sample], seen: Seen, started: float, seconds: float) -> list[Row]:
    """Puts the last window beside the first."""
    window = _window(seconds)
    first = [sample.figures for sample in samples if sample.at < window]
    last = [sample.figures for sample in samples if sample.at >= samples[-1].at - window]
    rows = []
    for what in first[0]:
        if not what.startswith("database") and not what.endswith(_CPU):
            rows.append(Row(what, _mean(first, what), _mean(last, what), _MOST_GROWTH))
    middle = len(samples) // 2
    a_row = _bytes_a_row(samples[: middle + 1]), _bytes_a_row(samples[middle:])
    rows.append(Row("database: bytes more for each row more", a_row[0], a_row[1], _MOST_BYTES_A_ROW))
    early = sorted(took for due, took in seen.steps if due < started + window)
    late = sorted(took for due, took in seen.steps if due >= started + seconds - window)
    for part, most in ((0.5, None), (0.99, _MOST_SLOWDOWN)):
        rows.append(Row(f"step: p{100 * part:.0f} s", percentile(early, part), percentile(late, part), most))
    rows.append(Row("steps a second", len(early) / window, len(late) / window, None))
    for what in first[0]:
        if what.endswith(_CPU):
            before, after = (1000 * _grown(part, what) / len(took) for part, took in ((first, early), (last, late)))
            rows.append(Row(f"{what.removesuffix(_CPU)}CPU of a step, ms", before, after, None))
    return rows


def _grown(figures: list[dict[str, float]], what: str) -> float:
    return figures[-1][what] - figures[0][what]


def _mean(figures: list[dict[str, float]], what: str) -> float:
    return sum(one[what] for one in figures) / len(figures)


def _bytes_a_row(samples: list[Sample]) -> float:
    first, last = samples[0].figures, samples[-1].figures
    rows = last["database rows"] - first["database rows"]
    return (last["database bytes"] - first["database bytes"]) / rows if rows else 0.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default 30)")
    parser.add_argument("--backend", choices=BACKENDS, default="process", help="of the sandboxes (default process)")
    parser.add_argument(
        "--warm-up", type=int, default=5000, help="steps before, as fast as possible (default 5000: fills the caches)"
    )
    parser.add_argument("--json", type=Path, help="file for the samples, beside the result")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table, and writes the same as JSON."""
    if arguments.minutes < 1:
        raise SystemExit("--minutes must be at least 1: in less there is nothing to compare")
    seconds = 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        url, kind = stack.enter_context(new_database(folder))
        variables = {"CODEARENA_SANDBOX_BACKEND": arguments.backend}
        running = {part: stack.enter_context(service(part, folder, variables)) for part in ("executor", "judge")}
        variables |= {f"CODEARENA_{part.upper()}_ADDRESS": peer.address for part, peer in running.items()}
        running["env"] = stack.enter_context(service("env", folder, variables | {"CODEARENA_DATABASE_URL": url}))
        ordered = {part: running[part] for part in _SERVICES}
        capacity, seen, samples, started = asyncio.run(_soak(ordered, url, arguments.warm_up, seconds))
    rows = compare(samples, seen, started, seconds)
    command = f".venv/bin/python -m benchmarks.soak --minutes {arguments.minutes:g} --backend {arguments.backend}"
    note = (
        f"{_LOAD:.0%} of a capacity of {capacity:.1f} steps a second, {len(seen.steps):,} steps, "
        f"{seen.failures.total()} failed; windows of {_window(seconds):g} s; {kind}."
    )
    yield Figures(
        f"A soak of {arguments.minutes:g} minutes, backend {arguments.backend}",
        command,
        ("what", "first window", "last window", "ratio", "at most", ""),
        [_cells(row) for row in rows],
        note,
    )
    result = {
        "command": command,
        "capacity_steps_per_second": capacity,
        "steps": len(seen.steps),
        "failures": dict(seen.failures),
        "rows": [
            {"what": row.what, "first": row.first, "last": row.last, "most": row.most, "holds": row.holds}
            for row in rows
        ],
    }
    sys.stdout.write(json.dumps(result) + "\n")
    if arguments.json:
        kept = [{"at": sample.at, **sample.figures} for sample in samples]
        arguments.json.write_text(json.dumps(result | {"samples": kept}) + "\n", encoding="utf-8")


def _cells(row: Row) -> tuple[str, ...]:
    most = "" if row.most is None else f"{row.most:g}"
    return (
        row.what.removesuffix(" s"),
        _shown(row, row.first),
        _shown(row, row.last),
        f"{row.ratio:.3f}",
        most,
        "" if row.most is None else ("holds" if row.holds else "grows"),
    )


def _shown(row: Row, value: float) -> str:
    return f"{milliseconds(value)} ms" if row.what.startswith("step:") else f"{value:,.1f}"


if __name__ == "__main__":
    main_of("soak", __doc__, add_arguments, measure)
