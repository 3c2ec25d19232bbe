"""`python -m services.standalone.certify`: measures whether tasks give the same reward idle and under full load.

Every program of a task, its reference, its bug and its slow solutions, is graded again and again through a whole arena.
What is found is written to a certificate file, by which the env service keeps failed tasks out of `auto`.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from codearena import AsyncArenaClient
from services.common import logs
from services.common.errors import StartError
from services.common.main import read_settings
from services.env.catalogue import load_catalogue
from services.env.quarantine import (
    Certificate,
    CertificateFile,
    Limits,
    Machine,
    MalformedCertificates,
    read_certificates,
)
from services.env.settings import CERTIFICATES_NAME, DEFAULT_TASKS, EnvSettings
from services.env.task_files import CatalogueError
from services.env.task_schema import Task
from services.standalone.commands import (
    EXIT_INTERRUPTED,
    EXIT_NO_SANDBOX,
    EXIT_NO_TASKS,
    EXIT_OVER_THE_LIMIT,
    Interrupted,
    console,
    run,
)
from services.standalone.figures import figures, verdict
from services.standalone.figures_view import certificate_table
from services.standalone.regrade import ArenaFailed, Plan, Regrading, plain_arena, regrade

_SECONDS = 120.0


async def certify(paths: Sequence[Path], tasks: Sequence[Task], limits: Limits, say: Console) -> list[Certificate]:
    """Certifies tasks one after another, in an arena made for it.

    Args:
        paths: Where the arena finds the tasks.
        tasks: Those to certify.
        limits: What they may not exceed, and how they are tried.
        say: Where to show what is going on.

    Raises:
        StartError: There is no sandbox.
        ArenaFailed: The arena failed too often in a row.
    """
    plan = Plan(limits.runs, limits.burners)
    async with (
        plain_arena(paths) as running,
        AsyncArenaClient(running.address, timeout_seconds=_SECONDS, max_attempts=1) as client,
    ):
        say.print(f"sandbox: {running.sandbox.name} ({running.sandbox.reason})", soft_wrap=True)
        machine = this_machine(running.sandbox.name)
        issued: list[Certificate] = []
        with _progress(say, sum(len(task.programs) for task in tasks) * plan.runs) as progress:
            bar = progress.task_ids[0]
            for task in tasks:
                progress.update(bar, description=task.id)
                found = await regrade(client, task, plan, graded=lambda: progress.advance(bar))
                issued.append(_certificate(task, found, limits, machine))
                if not say.is_terminal:
                    say.print(f"{issued[-1].verdict} {task.id}", soft_wrap=True)
        return issued


def this_machine(backend: str) -> Machine:
    """Returns what a certificate says of this machine."""
    return Machine(
        cores=os.cpu_count() or 1,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        backend=backend,
    )


def _certificate(task: Task, found: dict[str, list[Regrading]], limits: Limits, machine: Machine) -> Certificate:
    programs = [figures(name, gradings) for name, gradings in found.items()]
    refusals = {name: one.refused for name, gradings in found.items() for one in gradings if one.refused}
    judged, reasons = verdict(programs, limits, refusals)
    return Certificate(
        task_id=task.id,
        digest=task.digest,
        verdict=judged,
        reasons=reasons,
        issued=datetime.now(UTC),
        machine=machine,
        limits=limits,
        programs=tuple(programs),
    )


@contextmanager
def _progress(say: Console, total: int) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=say, transient=True, disable=not say.is_terminal) as progress:
        progress.add_task("", total=total)
        yield progress


def write(file: Path, content: CertificateFile) -> None:
    """Writes a certificate file in one move, so that whoever reads it never finds half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    draft.write_text(content.model_dump_json(indent=2) + "\n", encoding="utf-8")
    draft.replace(file)


def _parser() -> argparse.ArgumentParser:
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(
        prog="codearena tasks certify",
        description="Regrades every program of each task, half of the times under full load, and writes certificates.",
        epilog="Exit status: 0 every task is certified, 1 a task is over the limit, 2 a file is no task or the "
        "certificate file cannot be used, 3 no sandbox, or one that fails, 130 interrupted.",
    )
    parser.add_argument("paths", nargs="*", type=Path, metavar="DIR", help="task files or folders (default: ours)")
    parser.add_argument("--runs", type=int, default=20, help="gradings of each program (default 20)")
    parser.add_argument("--load", type=int, default=2 * cores, help="processes that make the load (default 2 x cores)")
    parser.add_argument("--flake-limit", type=float, default=0.0, help="highest flake rate (default 0)")
    parser.add_argument(
        "--deviation-limit", type=float, default=0.005, help="highest standard deviation of the reward (default 0.005)"
    )
    parser.add_argument("--out", type=Path, help=f"default: {CERTIFICATES_NAME} in the data directory")
    parser.add_argument("--json", action="store_true", help="print the new certificates as JSON, instead of a table")
    return parser


def _limits(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Limits:
    if not 2 <= arguments.runs <= 10_000:
        parser.error("--runs must be from 2 to 10000")
    if not 1 <= arguments.load <= 1024:
        parser.error("--load must be from 1 to 1024")
    if not 0 <= arguments.flake_limit <= 1 or not 0 <= arguments.deviation_limit <= 1:
        parser.error("a limit must be from 0 to 1")
    return Limits(
        flake_rate=arguments.flake_limit,
        deviation=arguments.deviation_limit,
        runs=arguments.runs,
        burners=arguments.load,
    )


def main() -> int:
    """Returns the exit status that `--help` tells."""
    parser = _parser()
    arguments = parser.parse_args()
    limits = _limits(parser, arguments)
    logs.configure("error", "text")
    say = console(stderr=True)
    paths = arguments.paths or [DEFAULT_TASKS]
    out = arguments.out or read_settings(EnvSettings).certificates_file
    try:
        tasks = list(load_catalogue(paths))
        known = read_certificates(out)
    except (CatalogueError, MalformedCertificates) as error:
        say.print(str(error), soft_wrap=True)
        return EXIT_NO_TASKS
    try:
        issued = run(certify(paths, tasks, limits, say))
    except (StartError, ArenaFailed, TimeoutError, OSError) as error:
        say.print(f"not certified: {error}", soft_wrap=True)
        return EXIT_NO_SANDBOX
    except Interrupted:
        say.print("interrupted: no certificate was written")
        return EXIT_INTERRUPTED
    write(out, known.updated(issued))
    return _report(issued, out, say, as_json=arguments.json)


def _report(issued: Sequence[Certificate], out: Path, say: Console, *, as_json: bool) -> int:
    if as_json:
        sys.stdout.write(CertificateFile(version=1, certificates=tuple(issued)).model_dump_json(indent=2) + "\n")
    else:
        out_console = console()
        out_console.print(certificate_table(issued, out_console.width))
    for certificate in issued:
        for reason in certificate.reasons:
            say.print(f"{certificate.verdict} {certificate.task_id}: {reason}", soft_wrap=True)
    verdicts = [certificate.verdict for certificate in issued]
    say.print(f"{verdicts.count('certified')} of {len(issued)} tasks certified; {out}", soft_wrap=True)
    if "failed" in verdicts:
        return EXIT_OVER_THE_LIMIT
    return EXIT_NO_SANDBOX if "unmeasured" in verdicts else 0


if __name__ == "__main__":
    sys.exit(main())
