"""`python -m services.authoring.check`: proves tasks in real sandboxes; see `codearena tasks check`."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.authoring.check.proof import Proof, Terms, prove
from services.authoring.check.summary import Summary, table
from services.authoring.sandboxes import sandboxes
from services.common import logs
from services.common.errors import StartError
from services.env.catalogue import load_catalogue
from services.env.settings import DEFAULT_TASKS
from services.env.task_files import CatalogueError
from services.env.task_schema import Task
from services.standalone.commands import EXIT_INTERRUPTED, EXIT_NO_SANDBOX, EXIT_NO_TASKS, Interrupted, console, run

EXIT_NOT_PROVEN = 1


async def check(tasks: Sequence[Task], terms: Terms, out: Console, tell: Callable[[Proof], None]) -> list[Proof]:
    """Proves tasks, as many at once as there are sandboxes for; tells each proof as it is made.

    Raises:
        StartError: No sandbox can be had.
    """
    async with sandboxes() as boxes:
        out.print(f"sandbox: {boxes.name} ({boxes.reason})")
        room = asyncio.Semaphore(boxes.slots)

        async def one(task: Task) -> Proof:
            async with room:
                proof = await prove(task, boxes, terms)
            tell(proof)
            return proof

        async with asyncio.TaskGroup() as group:
            proofs = [group.create_task(one(task)) for task in tasks]
        return [proof.result() for proof in proofs]


def _line(proof: Proof) -> str:
    verdict = "ok  " if not proof.problems else "FAIL"
    problems = "".join(f"\n      {problem}" for problem in proof.problems)
    programs = {"bug": proof.bug, "reference": proof.reference} | proof.slow
    texts = [f"{name}: {text}" for name, text in programs.items() if text]
    if proof.strength is not None:
        texts.append(f"mutants noticed: {proof.strength.killed}/{proof.strength.graded}")
    return f"{verdict} {proof.task_id}: {'; '.join(texts)}{problems}"


def _parser() -> argparse.ArgumentParser:
    usual = Terms()
    parser = argparse.ArgumentParser(
        prog="codearena tasks check",
        description="Proves tasks in real sandboxes: the bug fails, the reference passes with full efficiency, "
        "and the tests notice mutants of the reference.",
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="DIR", help="task files or folders (default: ours)")
    parser.add_argument("--seeds", type=int, default=usual.seeds, help="seeds on which each reference must pass")
    parser.add_argument("--mutants", type=int, default=usual.mutants, help="mutants of each reference; 0 for none")
    parser.add_argument("--least", type=float, default=usual.least, help="share to be noticed of each task's mutants")
    parser.add_argument("--strength", type=float, default=0.95, help="share to be noticed of all mutants together")
    parser.add_argument("--json", action="store_true", help="print one JSON document on stdout")
    return parser


def main() -> int:
    """Returns 0 if every task is proven, 1 if not, 2 for no tasks, 3 without a sandbox, 130 interrupted."""
    arguments = _parser().parse_args()
    logs.configure("warning", "text")
    out = console(stderr=True)
    try:
        catalogue = load_catalogue(arguments.paths or [DEFAULT_TASKS])
    except CatalogueError as error:
        out.print(str(error), soft_wrap=True)
        return EXIT_NO_TASKS
    terms = Terms(max(1, arguments.seeds), max(0, arguments.mutants), arguments.least)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        done = bar.add_task("tasks", total=len(catalogue))

        def tell(proof: Proof) -> None:
            out.print(_line(proof), soft_wrap=True)
            bar.update(done, advance=1)

        try:
            proofs = run(check(list(catalogue), terms, out, tell))
        except StartError as error:
            out.print(f"no sandbox: {error}", soft_wrap=True)
            return EXIT_NO_SANDBOX
        except Interrupted:
            return EXIT_INTERRUPTED
    summary = Summary.of(proofs, arguments.strength)
    if arguments.json:
        content = {"tasks": [dataclasses.asdict(proof) for proof in proofs], "summary": summary.to_json()}
        sys.stdout.write(json.dumps(content, indent=2) + "\n")
    if summary.graded:
        out.print(table(summary))
    out.print(summary.verdict, soft_wrap=True)
    return 0 if summary.proven else EXIT_NOT_PROVEN


if __name__ == "__main__":
    sys.exit(main())
