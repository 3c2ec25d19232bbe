"""What a trainer waits for rewards: one call of `GroupReward` for a batch, against the executor alone.

A batch of GRPO, 16 prompts with 8 completions each, half of them right and half as they were given, all of them texts
that no verdict is known of. In the same run, equally many programs for the same tasks are sent straight to the
executor: what that takes is the least that the rewards could have taken.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import workloads
from benchmarks.command import add_backends, each_backend, main_of
from benchmarks.executing import Program, add_apart, arena_processes, layout, options, places, seconds_to_execute
from benchmarks.figures import Figures, median
from codearena import prompts
from codearena.integrations.trl import GroupReward
from services.env.task_schema import Task

_REST_SECONDS = 1.0


def _programs(tasks: Sequence[Task], group: int, numbers: Iterator[int]) -> list[Program]:
    return [
        (task, workloads.distinct(task.reference if place % 2 else task.buggy_code, next(numbers)))
        for task in tasks
        for place in range(group)
    ]


async def _reward(address: str, programs: Sequence[Program]) -> float:
    """Returns how long one call takes."""
    reward = GroupReward(address)
    started = time.perf_counter()
    rewards = await reward(
        prompts=[None] * len(programs),
        completions=[[{"role": "assistant", "content": prompts.answer(code)}] for _, code in programs],
        task_id=[task.id for task, _ in programs],
        buggy_code=[task.buggy_code for task, _ in programs],
    )
    if None in rewards:
        raise SystemExit("a completion has no reward: the figure would be wrong")
    return time.perf_counter() - started


async def _measure(addresses: tuple[str, str], tasks: Sequence[Task], group: int, rounds: int) -> tuple[float, float]:
    """Returns the medians: of the reward call, and of the executor alone."""
    env, executor = addresses
    numbers = itertools.count()
    await _reward(env, _programs(tasks, 2, numbers))  # measures the references once
    rewards: list[float] = []
    executions: list[float] = []
    for _ in range(rounds):
        await asyncio.sleep(_REST_SECONDS)
        executions.append(await seconds_to_execute(executor, _programs(tasks, group, numbers)))
        await asyncio.sleep(_REST_SECONDS)
        rewards.append(await _reward(env, _programs(tasks, group, numbers)))
    return median(rewards), median(executions)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    add_apart(parser)
    parser.add_argument("--prompts", type=int, default=16, help="of a batch (default 16)")
    parser.add_argument("--group", type=int, default=8, help="completions of each prompt (default 8)")
    parser.add_argument("--rounds", type=int, default=9, help="batches (default 9)")


def measure(arguments: argparse.Namespace) -> Iterator[Figures]:
    """Yields one table for each backend."""
    catalogue = workloads.catalogue()
    tasks = catalogue[:: max(1, len(catalogue) // arguments.prompts)][: arguments.prompts]
    count = len(tasks) * arguments.group

    def one(backend: str) -> Iterator[Figures]:
        with (
            tempfile.TemporaryDirectory() as folder,
            arena_processes(Path(folder), backend, apart=arguments.apart) as addresses,
        ):
            reward, executor = asyncio.run(_measure(addresses, tasks, arguments.group, arguments.rounds))
        rows = [
            ("the reward call", f"{reward:.2f}", f"{count / reward:.1f}", f"{reward / executor:.2f}"),
            ("the executor alone", f"{executor:.2f}", f"{count / executor:.1f}", "1.00"),
        ]
        note = (
            f"Medians of {arguments.rounds} batches of {len(tasks)} prompts with {arguments.group} completions each. "
            f"{places(arguments)}"
        )
        command = f".venv/bin/python -m benchmarks.trainer_rewards {options(arguments, backend)}"
        columns = ("", "seconds", "a second", "÷ the executor alone")
        yield Figures(
            f"A trainer's wait for rewards, backend {backend}{layout(arguments)}", command, columns, rows, note
        )

    return each_backend(arguments, one, "A trainer's wait for rewards")


if __name__ == "__main__":
    main_of("trainer_rewards", __doc__, add_arguments, measure)
