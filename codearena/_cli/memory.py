"""The commands `memory list`, `memory export` and `memory import`: the best fixes that were found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
from rich.text import Text

from codearena import MemoryFileError, read_memory_file, write_memory_file
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console, emit_json, figure, local_time, plain_table, printable
from codearena._cli.session import EXIT_USAGE, Session, connection_options, examples, json_option, pass_session

USUAL_FILE: Final = "agent_memory.json"

F = TypeVar("F", bound=Callable[..., Any])


class BadMemoryFile(click.ClickException):
    """A memory file that cannot be used."""

    exit_code = EXIT_USAGE


def _owner_options(function: F) -> F:
    run = click.option("--run", "run_id", metavar="RUN", default="", help="The memory of this training run.")
    shared = click.option(
        "--namespace", metavar="NAME", default="", help="Or the memory of this namespace, which runs may share."
    )
    return run(shared(function))


def _check_owner(run_id: str, namespace: str) -> None:
    if bool(run_id) == bool(namespace):
        raise click.UsageError("give either --run RUN or --namespace NAME; `codearena runs` lists the runs")


@click.group()
def memory() -> None:
    """List, export and import the best fixes that runs have found.

    The arena keeps the best fix of each task for each training run, or for a namespace that runs share. An episode that
    was opened with `offer_memory` shows it to its agent.
    """


@memory.command(
    "list",
    epilog=examples(
        "codearena memory list --run grpo-12",
        "codearena memory list --namespace shared --task easy-1 --json | jq -r '.memories[].code'",
    ),
)
@_owner_options
@click.option("--task", "task_id", metavar="TASK", default="", help="Only of this task.")
@json_option
@connection_options(hidden=True)
@pass_session
def list_memory(session: Session, run_id: str, namespace: str, task_id: str, as_json: bool) -> None:
    """List the best fix of each task."""
    _check_owner(run_id, namespace)
    with keeping_arena(session) as arena:
        found = list(arena.list_memories(run_id, namespace, task_id))
    if as_json:
        emit_json({"memories": found})
        return
    if not found:
        click.echo("nothing is remembered there", err=True)
        return
    table = plain_table("task", "reward", "lines")
    for column in ("complexity", "found", "episode"):
        table.add_column(column, no_wrap=True)
    for item in found:
        lines = str(len(item.code.splitlines()))
        complexity, episode = Text(printable(item.time_complexity)), Text(printable(item.episode_id) or "imported")
        table.add_row(
            Text(printable(item.task_id)), figure(item.reward), lines, complexity, local_time(item.created_at), episode
        )
    console().print(table)


@memory.command(
    "export",
    epilog=examples("codearena memory export --run grpo-12", "codearena memory export best.json --namespace shared"),
)
@click.argument("path", metavar="[FILE]", default=USUAL_FILE, type=click.Path(dir_okay=False, path_type=Path))
@_owner_options
@connection_options(hidden=True)
@pass_session
def export_memory(session: Session, path: Path, run_id: str, namespace: str) -> None:
    """Write the best fixes to FILE.

    FILE is agent_memory.json unless given: JSON, one fix a line. It is replaced in one move, once all is there.
    """
    _check_owner(run_id, namespace)
    with keeping_arena(session) as arena:
        try:
            count = write_memory_file(path, arena.list_memories(run_id, namespace))
        except OSError as error:
            raise BadMemoryFile(f"cannot write {path}: {error.strerror}") from error
    console().print(f"{count} memories in {path}", soft_wrap=True)


@memory.command(
    "import",
    epilog=examples("codearena memory import --run grpo-13", "codearena memory import best.json --namespace shared"),
)
@click.argument(
    "path", metavar="[FILE]", default=USUAL_FILE, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@_owner_options
@connection_options(hidden=True)
@pass_session
def import_memory(session: Session, path: Path, run_id: str, namespace: str) -> None:
    """Add the fixes of FILE to a memory.

    FILE is agent_memory.json unless given. Each fix is taken only if it is better than what is known of its task, so
    that importing again does no harm. A damaged file is refused as a whole, with the line that is at fault.
    """
    _check_owner(run_id, namespace)
    try:
        found = read_memory_file(path)
    except MemoryFileError as error:
        raise BadMemoryFile(f"{printable(str(error))}; nothing was imported") from error
    except OSError as error:
        raise BadMemoryFile(f"cannot read {path}: {error.strerror}") from error
    with keeping_arena(session) as arena:
        count = arena.import_memories(found, run_id, namespace)
    console().print(f"{count} of {len(found)} memories were new or better than what was known", soft_wrap=True)
