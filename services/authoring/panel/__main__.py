"""`python -m services.authoring.panel`: measures difficulty; see `codearena tasks calibrate`."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.authoring.panel.measure import Measured, measure
from services.authoring.sandboxes import sandboxes
from services.common import logs
from services.common.errors import StartError
from services.env.catalogue import load_catalogue
from services.env.packs import find_sources
from services.env.settings import DEFAULT_TASKS
from services.env.task_files import CatalogueError, load_task
from services.env.task_schema import Task
from services.standalone.commands import EXIT_INTERRUPTED, EXIT_NO_SANDBOX, EXIT_NO_TASKS, Interrupted, console, run

_DIFFICULTY = re.compile(r"^difficulty: *\w+ *$", re.MULTILINE)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codearena tasks calibrate",
        description="Has a panel of scripted agents play tasks; their solve rate is a task's difficulty.",
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="DIR", help="task files or folders (default: ours)")
    parser.add_argument("--seed", type=int, default=0, help="chooses what the agents try (default 0)")
    parser.add_argument("--write", action="store_true", help="put the measured difficulty into the task files")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser


def main() -> int:
    """Returns 0, 2 for no tasks, 3 without a sandbox, 130 interrupted."""
    arguments = _parser().parse_args()
    logs.configure("warning", "text")
    out = console(stderr=True)
    paths = arguments.paths or [DEFAULT_TASKS]
    try:
        tasks = list(load_catalogue(paths))
    except CatalogueError as error:
        out.print(str(error), soft_wrap=True)
        return EXIT_NO_TASKS
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        done = bar.add_task("tasks", total=len(tasks))
        try:
            found = run(_measure(tasks, arguments.seed, lambda _: bar.update(done, advance=1)))
        except StartError as error:
            out.print(f"no sandbox: {error}", soft_wrap=True)
            return EXIT_NO_SANDBOX
        except Interrupted:
            return EXIT_INTERRUPTED
    if arguments.write:
        _write(paths, found)
    if arguments.json:
        sys.stdout.write(json.dumps({"tasks": [_row(each) for each in found]}, indent=2) + "\n")
    else:
        sys.stdout.write(markdown(found))
    return 0


async def _measure(tasks: Sequence[Task], seed: int, tell: Callable[[Measured], None]) -> list[Measured]:
    async with sandboxes() as boxes:
        room = asyncio.Semaphore(boxes.slots)

        async def one(task: Task) -> Measured:
            async with room:
                measured = await measure(task, boxes, seed)
            tell(measured)
            return measured

        async with asyncio.TaskGroup() as group:
            running = [group.create_task(one(task)) for task in tasks]
        return [task.result() for task in running]


def _write(paths: Sequence[Path], found: Sequence[Measured]) -> None:
    """Changes the line of the difficulty and nothing else."""
    labels = {measured.task.id: measured.difficulty.value for measured in found}
    sources, _ = find_sources(paths)
    for source in sources:
        for file in source.files:
            task = load_task(file)
            label = labels.get(task.within(source.namespace).id if source.namespace else task.id)
            if label is not None:
                text = file.read_text(encoding="utf-8")
                file.write_text(_DIFFICULTY.sub(f"difficulty: {label}", text, count=1), encoding="utf-8")


def _row(measured: Measured) -> dict[str, object]:
    return {
        "task_id": measured.task.id,
        "identity": measured.identity,
        "pattern": measured.pattern,
        "mutation": round(measured.mutation, 4),
        "line": round(measured.line, 4),
        "solve_rate": round(measured.rate, 4),
        "difficulty": measured.difficulty.value,
    }


def markdown(found: Sequence[Measured]) -> str:
    """Returns the table as documents have it, the easiest task first."""
    lines = ["| task | pattern | mutation | line | solve rate | difficulty |", "| --- | --- | --- | --- | --- | --- |"]
    for each in sorted(found, key=lambda each: (-each.rate, each.task.id)):
        rates = " | ".join(f"{rate:.2f}" for rate in (each.pattern, each.mutation, each.line, each.rate))
        lines.append(f"| `{each.task.id}` | {rates} | {each.difficulty.value} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
