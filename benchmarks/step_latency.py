"""`Step` on a warm sandbox against a bare `python file` on the same tests, and where a step's time goes.

For each task its reference solution is graded in an episode and run as a plain file in turn, each on a machine that has
come to rest. A step is all that a client waits for: gRPC, sandbox, comparison, growing inputs, judge, reward, store.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import baselines, workloads
from benchmarks.command import add_backends, each_backend, main_of
from benchmarks.figures import Figures, median, milliseconds
from benchmarks.stages import ALONE, STAGES, Stages
from codearena import AsyncArenaClient
from services.env.task_schema import Task
from services.standalone.arena import arena


@dataclass
class Timings:
    """Seconds of one task, run by run.

    Attributes:
        step: Whole steps, as the client sees them.
        bare: Bare runs of the same tests.
        stages: The parts of each step, by name.
    """

    step: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    stages: dict[str, list[float]] = field(default_factory=lambda: {stage: [] for stage in STAGES})

    def add(self, other: Timings) -> None:
        """Takes in the runs of another task."""
        self.step += other.step
        self.bare += other.bare
        for stage, values in self.stages.items():
            values += other.stages[stage]

    def row(self, name: str) -> tuple[str, ...]:
        """Returns the medians."""
        step, bare = median(self.step), median(self.bare)
        stages = (milliseconds(median(self.stages[stage])) for stage in STAGES)
        return (
            name,
            milliseconds(step),
            milliseconds(bare),
            f"{step / bare:.2f}",
            *stages,
        )


async def _step(client: AsyncArenaClient, stages: Stages, task: Task, number: int, found: Timings) -> None:
    """Grades a task's reference in a fresh episode."""
    episode = await client.reset(task.id)
    stages.since()
    started = time.perf_counter()
    result = await episode.step(workloads.distinct(task.reference, number))
    spent = time.perf_counter() - started
    if result.breakdown["efficiency_score"] < 1.0 or result.grade.cached:
        raise SystemExit(f"the reference of {task.id} is not graded as perfect: {result.observation.error_log}")
    parts = stages.since()
    found.step.append(spent)
    for stage, seconds in parts.items():
        found.stages[stage].append(seconds)


async def _measure(backend: str, tasks: Sequence[Task], rounds: int, pause: float) -> dict[str, Timings]:
    numbers = itertools.count()
    found = {task.id: Timings() for task in tasks}
    with tempfile.TemporaryDirectory() as folder:
        files = {task.id: Path(folder, f"{task.id}.py") for task in tasks}
        for task in tasks:
            files[task.id].write_text(workloads.plain_file(task.reference, task.to_suite()), encoding="utf-8")
        async with (
            arena(port=0, private=True, data_dir=Path(folder), sandbox_backend=backend, **ALONE) as running,
            AsyncArenaClient(running.address) as client,
        ):
            stages = Stages(running.registries["env"])
            for task in tasks:
                await _step(client, stages, task, next(numbers), Timings())  # measures the reference once
            for _, task in itertools.product(range(rounds), tasks):
                await asyncio.sleep(pause)
                await _step(client, stages, task, next(numbers), found[task.id])
                await asyncio.sleep(pause)
                found[task.id].bare.append(await asyncio.to_thread(baselines.bare, files[task.id]))
    return found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    parser.add_argument("--rounds", type=int, default=10, help="runs of each task (default 10)")
    parser.add_argument("--pause", type=float, default=0.5, help="seconds of rest before each run (default 0.5)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table for each backend."""

    def one(backend: str) -> Iterator[Figures]:
        found = asyncio.run(_measure(backend, workloads.catalogue(), arguments.rounds, arguments.pause))
        everything = Timings()
        for timings in found.values():
            everything.add(timings)
        rows = [*(timings.row(task) for task, timings in found.items()), everything.row("all")]
        columns = ("task", "step ms", "bare ms", "step ÷ bare", *(f"{stage} ms" for stage in STAGES))
        command = f".venv/bin/python -m benchmarks.step_latency --backend {backend}"
        yield Figures(
            f"Step latency, backend {backend}", command, columns, rows, "Medians, one client, warm sandboxes."
        )

    return each_backend(arguments, one, "Step latency")


if __name__ == "__main__":
    main_of("step_latency", __doc__, add_arguments, measure)
