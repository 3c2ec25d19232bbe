"""`codearena eval --backend builtin` over the whole catalogue, against the executor alone.

Every task is played to its end, sixteen episodes at a time, by what the command is made of. Then the programs that were
run for it, those that the agent proposed and the buggy ones that each episode begins with, are sent straight to the
executor as texts that no verdict is known of.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import workloads
from benchmarks.command import add_backends, each_backend, main_of
from benchmarks.executing import Program, add_apart, arena_processes, by_id, layout, options, places, seconds_to_execute
from benchmarks.figures import Figures, median
from codearena import AsyncArenaClient
from codearena.evaluation import Answer, BuiltinAgent, Rollout, Terms, evaluate
from services.env.task_schema import Task

_CONCURRENCY = 16  # the command's default
_MOST_FAILURES = 20
_REST_SECONDS = 2.0


@dataclass(frozen=True)
class _Found:
    episodes: int
    programs: int
    evaluation: float
    executor: float


async def _evaluate(address: str) -> tuple[list[Rollout], float]:
    async with AsyncArenaClient(address) as arena:
        episodes = [(task, 0) async for task in arena.list_tasks()]
        started = time.perf_counter()
        rollouts = [
            rollout
            async for rollout in evaluate(
                arena, BuiltinAgent(), episodes, Terms(), concurrency=_CONCURRENCY, most_failures=_MOST_FAILURES
            )
        ]
        seconds = time.perf_counter() - started
    if failed := [rollout for rollout in rollouts if rollout.failure]:
        raise SystemExit(f"an episode failed, so the figure would be wrong: {failed[0].failure}")
    return rollouts, seconds


def _programs(rollouts: list[Rollout], tasks: Mapping[str, Task]) -> list[Program]:
    """Returns what the executor was asked to run: an equal program of the same task is run once."""
    ran = {(rollout.task_id, tasks[rollout.task_id].buggy_code) for rollout in rollouts}
    ran |= {
        (rollout.task_id, turn.code) for rollout in rollouts for turn in rollout.turns if turn.answer is Answer.GRADED
    }
    numbers = itertools.count()
    return [(tasks[task_id], workloads.distinct(code, next(numbers))) for task_id, code in sorted(ran)]


async def _measure(addresses: tuple[str, str]) -> _Found:
    env, executor = addresses
    tasks = by_id(workloads.catalogue())
    # each reference is measured once for either side
    await seconds_to_execute(executor, [(task, workloads.distinct(task.reference, -1)) for task in tasks.values()])
    await asyncio.sleep(_REST_SECONDS)
    rollouts, evaluation = await _evaluate(env)
    programs = _programs(rollouts, tasks)
    await asyncio.sleep(_REST_SECONDS)
    return _Found(len(rollouts), len(programs), evaluation, await seconds_to_execute(executor, programs))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    add_apart(parser)
    parser.add_argument("--rounds", type=int, default=3, help="each with an arena of its own (default 3)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table for each backend."""

    def one(backend: str) -> Iterator[Figures]:
        rounds = []
        for _ in range(arguments.rounds):
            with (
                tempfile.TemporaryDirectory() as folder,
                arena_processes(Path(folder), backend, apart=arguments.apart) as addresses,
            ):
                rounds.append(asyncio.run(_measure(addresses)))
        evaluation = median([found.evaluation for found in rounds])
        executor = median([found.executor for found in rounds])
        programs = rounds[0].programs
        rows = [
            (name, f"{seconds:.2f}", f"{programs / seconds:.1f}", f"{executor / seconds:.2f}")
            for name, seconds in (("the evaluation", evaluation), ("the executor alone", executor))
        ]
        note = (
            f"Medians of {len(rounds)} rounds of {rounds[0].episodes} episodes, for which {programs} programs run. "
            f"{places(arguments)}"
        )
        command = f".venv/bin/python -m benchmarks.evaluation {options(arguments, backend)}"
        columns = ("", "seconds", "programs a second", "of the executor's throughput")
        yield Figures(
            f"Evaluating the built-in agent, backend {backend}{layout(arguments)}", command, columns, rows, note
        )

    return each_backend(arguments, one, "Evaluating the built-in agent")


if __name__ == "__main__":
    main_of("evaluation", __doc__, add_arguments, measure)
