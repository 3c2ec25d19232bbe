"""How much the reward of one and the same fix varies, idle and under full load.

Every program that a task brings and that passes its tests, its reference and its slow solutions, is graded again and
again through a whole arena, half of the times under full load. The reward's standard deviation must stay at or below
0.005. `codearena tasks certify` measures the same and keeps the result.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from codearena import AsyncArenaClient
from services.common import logs
from services.common.errors import StartError
from services.env.catalogue import load_catalogue
from services.env.quarantine import Figures
from services.env.settings import DEFAULT_TASKS
from services.env.task_schema import BUG_NAME, Task
from services.standalone.commands import Interrupted, console, run
from services.standalone.figures import figures
from services.standalone.figures_view import COLUMNS, cells, interval
from services.standalone.regrade import ArenaFailed, Plan, plain_arena, regrade

_BACKENDS = ("docker", "process")
_TARGET = 0.005
_SECONDS = 120.0


async def measure(
    backend: str, tasks: Sequence[Task], paths: Sequence[Path], plan: Plan, say: Console
) -> dict[str, list[Figures]]:
    """Measures one backend; returns the figures of each task's programs."""
    found: dict[str, list[Figures]] = {}
    async with (
        plain_arena(paths, sandbox_backend=backend) as running,
        AsyncArenaClient(running.address, timeout_seconds=_SECONDS, max_attempts=1) as client,
    ):
        for task in track(tasks, backend, console=say, transient=True, disable=not say.is_terminal):
            gradings = await regrade(client, task, plan, skip={BUG_NAME})
            found[task.id] = [figures(name, graded) for name, graded in gradings.items()]
    return found


def table(backend: str, plan: Plan, found: dict[str, list[Figures]]) -> Table:
    """Returns the figures as a table: one row for each program, and the worst of all."""
    title = (
        f"Reward of one fix in {plan.runs} gradings, half under full load, backend {backend}; deviation <= {_TARGET}"
    )
    result = Table(title=title)
    for column in ("task", "program", *COLUMNS, "ratio", "excess"):
        result.add_column(column, no_wrap=True, justify="left" if column in ("task", "program") else "right")
    for task_id, programs in found.items():
        for program in programs:
            near = (interval(program.cpu_ratio, 1), interval(program.excess, 2))
            result.add_row(task_id, program.program, *cells(program), *near)
    rewards = [program.reward for programs in found.values() for program in programs if program.reward is not None]
    flips = sum(program.flakes for programs in found.values() for program in programs)
    failures = sum(program.failures for programs in found.values() for program in programs)
    deviation = max((reward.deviation for reward in rewards), default=0.0)
    spread = max((reward.highest - reward.lowest for reward in rewards), default=0.0)
    result.add_section()
    result.add_row(
        *("all", "worst", "", str(flips), str(failures), "", ""),
        f"{deviation:.4f}",
        f"{spread:.3f}",
        "",
        "",
        style="bold",
    )
    return result


def main() -> None:
    """Prints one table for each backend."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reward_noise", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, metavar="DIR", help="task files or folders (default: ours)")
    parser.add_argument("--backend", choices=_BACKENDS, action="append", help="only this one (default: both)")
    parser.add_argument("--runs", type=int, default=100, help="gradings of each program (default 100)")
    parser.add_argument("--load", type=int, help="processes that make the load (default 2 x cores)")
    arguments = parser.parse_args()
    logs.configure("error", "text")
    paths = arguments.paths or [DEFAULT_TASKS]
    tasks = list(load_catalogue(paths))
    plan = Plan(max(2, arguments.runs), arguments.load or 2 * (os.cpu_count() or 1))
    out, say = console(), console(stderr=True)
    for backend in arguments.backend or _BACKENDS:
        try:
            found = run(measure(backend, tasks, paths, plan, say))
        except (StartError, ArenaFailed, OSError) as error:
            out.print(f"{backend}: not measured: {error}")
            continue
        except Interrupted:
            sys.exit(130)
        out.print(table(backend, plan, found))


if __name__ == "__main__":
    main()
