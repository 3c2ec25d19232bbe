"""How much the reward of one and the same fix varies, idle and under full load.

Every program that a task brings and that passes its tests, its reference and its slow solutions, is graded again and
again through a whole arena, half of the times under full load. `codearena tasks certify` measures the same and keeps
the result.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.progress import track

from benchmarks import figures as shape
from benchmarks.command import add_backends, each_backend, main_of
from codearena import AsyncArenaClient
from services.env.catalogue import load_catalogue
from services.env.quarantine import Figures, Spread
from services.env.settings import DEFAULT_TASKS
from services.env.task_schema import BUG_NAME, Task
from services.standalone.commands import Interrupted, console, run
from services.standalone.figures import figures
from services.standalone.regrade import ArenaFailed, Plan, plain_arena, regrade

_SECONDS = 120.0
_COLUMNS = ("task", "program", "flips", "idle", "loaded", "deviation", "CPU ratio", "exponent above")


async def _measure(backend: str, tasks: Sequence[Task], paths: Sequence[Path], plan: Plan) -> dict[str, list[Figures]]:
    """Measures one backend; returns the figures of each task's programs."""
    say = console(stderr=True)
    found: dict[str, list[Figures]] = {}
    async with (
        plain_arena(paths, sandbox_backend=backend) as running,
        AsyncArenaClient(running.address, timeout_seconds=_SECONDS, max_attempts=1) as client,
    ):
        for task in track(tasks, backend, console=say, transient=True, disable=not say.is_terminal):
            gradings = await regrade(client, task, plan, skip={BUG_NAME})
            found[task.id] = [figures(name, graded) for name, graded in gradings.items()]
    return found


def _row(task: str, program: Figures) -> tuple[str, ...]:
    deviation = "-" if program.reward is None else f"{program.reward.deviation:.4f}"
    return (
        *(task, program.program, f"{program.flakes}/{program.gradings}"),
        *(_mean(program.idle), _mean(program.loaded), deviation),
        *(_interval(program.cpu_ratio, 1), _interval(program.excess, 2)),
    )


def _mean(found: Spread | None) -> str:
    return "-" if found is None else f"{found.mean:.4f} ±{found.deviation:.4f}"


def _interval(found: Spread | None, digits: int) -> str:
    return "-" if found is None else f"{found.lowest:.{digits}f} .. {found.highest:.{digits}f}"


def _figures(backend: str, plan: Plan, found: dict[str, list[Figures]]) -> shape.Figures:
    rows = [_row(task, program) for task, programs in found.items() for program in programs]
    programs = [program for several in found.values() for program in several]
    deviation = max((program.reward.deviation for program in programs if program.reward is not None), default=0.0)
    flips = sum(program.flakes for program in programs)
    rows.append(("all", "worst", str(flips), "", "", f"{deviation:.4f}", "", ""))
    failures = sum(program.failures for program in programs)
    note = (
        f"{plan.runs} gradings of each program, half under full load; {failures} were not graded for reasons of ours."
    )
    command = f".venv/bin/python -m benchmarks.reward_noise --backend {backend}"
    return shape.Figures(f"Reward noise, backend {backend}", command, _COLUMNS, rows, note)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of this benchmark."""
    add_backends(parser)
    parser.add_argument("paths", nargs="*", type=Path, metavar="DIR", help="task files or folders (default: ours)")
    parser.add_argument("--runs", type=int, default=100, help="gradings of each program (default 100)")
    parser.add_argument("--load", type=int, help="processes that make the load (default 2 x cores)")


def measure(arguments: argparse.Namespace) -> Iterator[shape.Figures]:
    """Yields one table for each backend."""
    paths = arguments.paths or [DEFAULT_TASKS]
    tasks = list(load_catalogue(paths))
    plan = Plan(max(2, arguments.runs), arguments.load or 2 * (os.cpu_count() or 1))

    def one(backend: str) -> Iterator[shape.Figures]:
        try:
            yield _figures(backend, plan, run(_measure(backend, tasks, paths, plan)))
        except Interrupted as error:
            raise KeyboardInterrupt from error
        except ArenaFailed as error:
            raise OSError(str(error)) from error

    return each_backend(arguments, one, "Reward noise")


if __name__ == "__main__":
    main_of("reward_noise", __doc__, add_arguments, measure)
