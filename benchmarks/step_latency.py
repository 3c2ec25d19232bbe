"""`Step` on a warm sandbox against a bare `python file` subprocess that runs the same tests.

For each task, its reference solution is graded in an episode and run as a plain file in turn, so that both see the
same machine. The step includes everything: gRPC, sandbox, comparison, efficiency, judge, reward and store.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table

from codearena import AsyncArenaClient
from services.common import logs
from services.common.errors import StartError
from services.env.catalogue import load_catalogue
from services.env.settings import DEFAULT_TASKS
from services.env.task_schema import Task
from services.standalone.arena import arena

_PREFER = ("docker", "process")


@dataclass
class Timings:
    """Milliseconds of one task, pair by pair."""

    step: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """Median of step over bare, pair by pair."""
        return statistics.median(step / bare for step, bare in zip(self.step, self.bare, strict=True))


def bare_program(task: Task) -> str:
    """Returns a plain program that runs a task's reference against the task's tests, growing inputs included."""
    lines = [task.reference, ""]
    for case in task.cases:
        lines += [case.setup, "try:", f"    got = {case.call.strip()}", "except Exception as error: got = error"]
        if case.raises is not None:
            lines.append(f"assert isinstance(got, {case.raises}), got")
        elif case.checker == "equal" and "nan" not in case.literal:
            lines.append(f"assert got == {case.literal}, got")
    if task.growth is not None:
        lines += [f"for n in {list(task.growth.sizes)}:", "    seed = 7"]
        lines += [f"    {line}" for line in task.growth.setup.splitlines()]
        lines.append(f"    {task.growth.call.strip()}")
    return "\n".join(lines) + "\n"


def run_bare(file: Path) -> float:
    """Runs a file with this interpreter and returns the milliseconds it took."""
    started = time.perf_counter()
    subprocess.run([sys.executable, str(file)], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - started) * 1000


async def run_step(client: AsyncArenaClient, task: Task) -> float:
    """Grades a task's reference in a fresh episode and returns the milliseconds of the step alone."""
    episode = await client.reset(task.id)
    started = time.perf_counter()
    result = await episode.step(task.reference)
    spent = (time.perf_counter() - started) * 1000
    if result.breakdown["efficiency_score"] < 1.0:
        raise SystemExit(f"the reference of {task.id} is not graded as perfect: {result.error_log}")
    return spent


async def measure(backend: str, tasks: Sequence[Task], rounds: int, pause: float) -> dict[str, Timings]:
    """Measures one backend: `rounds` pairs for each task, `pause` seconds before each step to refill the pool."""
    found = {task.id: Timings() for task in tasks}
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        files = {task.id: data_dir / f"{task.id}.py" for task in tasks}
        for task in tasks:
            files[task.id].write_text(bare_program(task), encoding="utf-8")
        async with (
            arena(port=0, private=True, data_dir=data_dir, sandbox_backend=backend) as running,
            AsyncArenaClient(running.address) as client,
        ):
            for task in tasks:
                await run_step(client, task)  # measures the reference once
                run_bare(files[task.id])
            for _ in range(rounds):
                for task in tasks:
                    await asyncio.sleep(pause)
                    found[task.id].step.append(await run_step(client, task))
                    found[task.id].bare.append(await asyncio.to_thread(run_bare, files[task.id]))
    return found


def table(backend: str, found: dict[str, Timings]) -> Table:
    """Returns the figures as a table: medians in milliseconds, and the median of the ratios."""
    result = Table(title=f"Step against bare python file, backend {backend}")
    for column in ("task", "step p50 ms", "bare p50 ms", "ratio"):
        result.add_column(column, justify="left" if column == "task" else "right")
    for name, timings in found.items():
        _row(result, name, timings)
    everything = Timings(
        [value for timings in found.values() for value in timings.step],
        [value for timings in found.values() for value in timings.bare],
    )
    _row(result, "all", everything)
    return result


def _row(result: Table, name: str, timings: Timings) -> None:
    step, bare = statistics.median(timings.step), statistics.median(timings.bare)
    result.add_row(name, f"{step:.1f}", f"{bare:.1f}", f"{timings.ratio:.2f}")


def main() -> None:
    """Prints one table for each backend."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step_latency", description=__doc__)
    parser.add_argument("--backend", choices=_PREFER, action="append", help="only this one (default: both)")
    parser.add_argument("--rounds", type=int, default=10, help="pairs for each task (default 10)")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds before each step (default 0.5)")
    arguments = parser.parse_args()
    logs.configure("error", "text")
    tasks = list(load_catalogue([DEFAULT_TASKS]))
    console = Console()
    for backend in arguments.backend or _PREFER:
        try:
            found = asyncio.run(measure(backend, tasks, arguments.rounds, arguments.pause))
        except (StartError, OSError) as error:
            console.print(f"{backend}: not measured: {error}")
            continue
        console.print(table(backend, found))


if __name__ == "__main__":
    main()
