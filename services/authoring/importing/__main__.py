"""`python -m services.authoring.importing`: imports tasks from a data set; see `codearena tasks import`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from grpc.aio import AioRpcError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from services.authoring.importing.debugbench import DEBUGBENCH
from services.authoring.importing.entries import Entry, SourceError
from services.authoring.importing.humanevalfix import HUMANEVALFIX
from services.authoring.importing.importer import Importer, Report
from services.authoring.importing.journal import Journal, Verdict
from services.authoring.importing.pairs import PAIRS
from services.authoring.importing.quixbugs import QUIXBUGS
from services.authoring.sandboxes import sandboxes
from services.common import logs
from services.common.errors import StartError
from services.standalone.commands import EXIT_INTERRUPTED, EXIT_NO_SANDBOX, EXIT_NO_TASKS, Interrupted, console, run

DATA_SETS = {each.name: each for each in (HUMANEVALFIX, QUIXBUGS, DEBUGBENCH, PAIRS)}
REPORT = "import-report.json"
EXIT_DROPPED = 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="codearena tasks import",
        description="Imports tasks from a public data set. Each one is certified in real sandboxes before it is kept: "
        "its reference passes every test, its bug does not.",
    )
    parser.add_argument("data_set", choices=sorted(DATA_SETS), help="what the source is")
    parser.add_argument(
        "source", type=Path, metavar="SOURCE", help="a JSONL file; for quixbugs and pytest also a folder"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for one YAML file a task")
    parser.add_argument("--again", action="store_true", help="certify anew what an earlier import has found")
    parser.add_argument("--json", action="store_true", help="print the report on stdout as JSON")
    return parser


def main() -> int:
    """Returns 0 if all is kept, 1 if an entry is dropped, 2 for no data set, 3 without a sandbox, 130 interrupted."""
    arguments = _parser().parse_args()
    logs.configure("warning", "text")
    out = console(stderr=True)
    try:
        entries = DATA_SETS[arguments.data_set].read(arguments.source)
        arguments.out.mkdir(parents=True, exist_ok=True)
        report = run(_import(arguments, entries))
    except (SourceError, OSError) as error:
        out.print(str(error))
        return EXIT_NO_TASKS
    except StartError as error:
        out.print(f"no sandbox: {error}")
        return EXIT_NO_SANDBOX
    except ExceptionGroup as errors:
        first = errors.exceptions[0]
        if not isinstance(first, AioRpcError):
            raise
        out.print(f"no sandbox: {first.code().name}: {first.details()}; run the command again to go on")
        return EXIT_NO_SANDBOX
    except Interrupted:
        out.print("interrupted; run the command again to go on")
        return EXIT_INTERRUPTED
    text = json.dumps(report.to_json(), indent=2) + "\n"
    draft = arguments.out / f".{REPORT}.tmp"
    draft.write_text(text, encoding="utf-8")
    draft.replace(arguments.out / REPORT)
    for verdict in report.dropped:
        out.print(f"dropped {verdict.entry}{f' (line {verdict.line})' if verdict.line else ''}: {verdict.reason}")
    out.print(f"{len(report.verdicts) - len(report.dropped)} of {len(report.verdicts)} kept in {arguments.out}")
    if arguments.json:
        sys.stdout.write(text)
    return EXIT_DROPPED if report.dropped else 0


async def _import(arguments: argparse.Namespace, entries: list[Entry]) -> Report:
    out = console(stderr=True)
    data_set = DATA_SETS[arguments.data_set]
    journal = Journal(arguments.out, data_set.name, again=arguments.again)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    async with sandboxes() as boxes:
        out.print(f"sandbox: {boxes.name} ({boxes.reason})")
        with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
            done = bar.add_task(data_set.name, total=len(entries))

            def tell(verdict: Verdict) -> None:
                bar.update(done, advance=1, description=f"{data_set.name} {verdict.entry}"[:60])

            verdicts = await Importer(data_set, arguments.out, journal, boxes).run(entries, tell)
    return Report(arguments.source, data_set.name, verdicts)


if __name__ == "__main__":
    sys.exit(main())
