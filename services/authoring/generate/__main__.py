"""`python -m services.authoring.generate`: makes tasks; see `codearena tasks generate`."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
from collections import Counter
from pathlib import Path

from grpc.aio import AioRpcError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.authoring import task_yaml
from services.authoring.generate.generator import Generator
from services.authoring.generate.sources import load_sources
from services.authoring.sandboxes import sandboxes
from services.common import logs
from services.common.errors import StartError
from services.env.settings import DEFAULT_TASKS
from services.env.task_files import CatalogueError
from services.env.task_schema import Task
from services.standalone.commands import EXIT_INTERRUPTED, EXIT_NO_SANDBOX, EXIT_NO_TASKS, Interrupted, console, run

EXIT_FEWER = 1
REPORT = "generate-report.json"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codearena tasks generate",
        description="Plants one to three bugs into tested programs, and keeps what a hidden test notices.",
    )
    parser.add_argument(
        "--from", dest="sources", action="append", type=Path, metavar="SOURCE", default=None,
        help="tasks (a file or folder), or FILE.py with doctests or test_FILE.py beside it (default: our tasks)",
    )  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="the same seed makes the same tasks (default 0)")
    parser.add_argument("--count", type=int, default=100, help="how many tasks (default 100)")
    parser.add_argument("--out", type=Path, default=Path("generated"), metavar="DIR", help="folder for one file a task")
    parser.add_argument("--json", action="store_true", help="print the report on stdout as JSON")
    return parser


def main() -> int:
    """Returns 0 if there are as many as asked for, 1 if fewer, 2 for no source, 3 without a sandbox, 130 stopped."""
    arguments = _parser().parse_args()
    logs.configure("warning", "text")
    out = console(stderr=True)
    dropped: Counter[str] = Counter()
    try:
        bases = load_sources(arguments.sources or [DEFAULT_TASKS])
        arguments.out.mkdir(parents=True, exist_ok=True)
        tasks = run(_generate(arguments, bases, dropped))
    except (CatalogueError, OSError) as error:
        out.print(str(error), soft_wrap=True)
        return EXIT_NO_TASKS
    except (StartError, AioRpcError) as error:
        out.print(f"no sandbox: {error}", soft_wrap=True)
        return EXIT_NO_SANDBOX
    except Interrupted:
        return EXIT_INTERRUPTED
    report = _report(arguments.seed, tasks, dropped)
    text = json.dumps(report, indent=2) + "\n"
    (arguments.out / REPORT).write_text(text, encoding="utf-8")
    for reason, number in dropped.most_common(10):
        out.print(f"dropped {number}: {reason}", soft_wrap=True)
    if len(tasks) < arguments.count:
        out.print(f"only {len(tasks)} of {arguments.count}: the sources give no more; add some, or take another seed")
    out.print(f"{len(tasks)} tasks in {arguments.out}, digest {report['digest']}", soft_wrap=True)
    if arguments.json:
        sys.stdout.write(text)
    return 0 if len(tasks) >= arguments.count else EXIT_FEWER


async def _generate(arguments: argparse.Namespace, bases: list[Task], dropped: Counter[str]) -> list[Task]:
    out = console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    async with sandboxes() as boxes:
        out.print(f"sandbox: {boxes.name} ({boxes.reason})", soft_wrap=True)
        with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
            done = bar.add_task("tasks", total=arguments.count)
            tasks = await Generator(boxes, dropped).run(
                bases, arguments.seed, arguments.count, lambda _: bar.update(done, advance=1)
            )
    for task in tasks:
        await asyncio.to_thread(task_yaml.write, task, arguments.out, prove=False)
    return tasks


def _report(seed: int, tasks: list[Task], dropped: Counter[str]) -> dict[str, object]:
    classes = Counter(label.bug_class for task in tasks for label in task.labels)
    return {
        "seed": seed,
        "digest": hashlib.sha256("".join(sorted(task.digest for task in tasks)).encode()).hexdigest(),
        "tasks": [{"id": task.id, "digest": task.digest, "bugs": len(task.labels)} for task in tasks],
        "bug_classes": dict(classes.most_common()),
        "dropped": dict(dropped.most_common()),
    }


if __name__ == "__main__":
    sys.exit(main())
