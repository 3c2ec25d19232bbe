"""Commands that ask and change nothing: `health`, `tasks list`, `tasks show`."""

from __future__ import annotations

import click

from codearena import Difficulty, ServingStatus
from codearena._cli.embedded import run_service_module
from codearena._cli.render import console, emit_json, print_task, task_table
from codearena._cli.session import EXIT_UNREACHABLE, Session, connection_options, examples, json_option, pass_session

_DIFFICULTIES = [member.lower() for member in Difficulty if member is not Difficulty.UNSPECIFIED]


@click.command(epilog=examples("codearena --address arena.example:50051 health"))
@json_option
@connection_options(hidden=True)
@pass_session
@click.pass_context
def health(ctx: click.Context, session: Session, as_json: bool) -> None:
    """Ask the arena whether it serves. Exit status 3 if not."""
    with session.connect() as arena:
        status = arena.health()
    if as_json:
        emit_json({"address": session.target, "status": status})
    else:
        console().print(f"{session.target} {status.lower().replace('_', ' ')}", soft_wrap=True)
    ctx.exit(0 if status is ServingStatus.SERVING else EXIT_UNREACHABLE)


@click.group()
def tasks() -> None:
    """Look at the catalogue."""


@tasks.command(
    "list",
    epilog=examples("codearena tasks list --difficulty hard", "codearena tasks list --json | jq -r '.tasks[].task_id'"),
)
@click.option("--category", default="", help="Only this category.")
@click.option("--difficulty", type=click.Choice(_DIFFICULTIES, case_sensitive=False), help="Only this difficulty.")
@json_option
@connection_options(hidden=True)
@pass_session
def list_tasks(session: Session, category: str, difficulty: str | None, as_json: bool) -> None:
    """List the tasks."""
    with session.connect() as arena:
        found = list(arena.list_tasks(category=category, difficulty=difficulty))
    if as_json:
        emit_json({"tasks": found})
    elif found:
        console().print(task_table(found))
    else:
        click.echo("no task matches", err=True)


@tasks.command("check", epilog=examples("codearena tasks check", "codearena tasks check my-tasks --repeat 20"))
@click.argument("paths", nargs=-1, metavar="[DIR]...", type=click.Path(exists=True))
@click.option("--repeat", default=2, show_default=True, type=click.IntRange(1, 1000), help="Runs of each reference.")
@json_option
@click.pass_context
def check_tasks(ctx: click.Context, paths: tuple[str, ...], repeat: int, as_json: bool) -> None:
    """Prove tasks in real sandboxes. Needs a checkout of CodeArena.

    For each task: its bug fails, and its reference passes with full efficiency. Without DIR, the tasks of this
    checkout. Exit status 1 if a task is not proven, 2 if a file is no task.
    """
    options = ["--repeat", str(repeat), *(["--json"] if as_json else [])]
    ctx.exit(run_service_module("services.standalone.check_tasks", [*options, "--", *paths]))


@tasks.command("show", epilog=examples("codearena tasks show hard-1 --json | jq -r .buggy_code > fix.py"))
@click.argument("task_id", metavar="ID")
@json_option
@connection_options(hidden=True)
@pass_session
def show_task(session: Session, task_id: str, as_json: bool) -> None:
    """Show one task: description, buggy code and visible tests."""
    with session.connect() as arena:
        task = arena.get_task(task_id)
    if as_json:
        emit_json(task)
    else:
        print_task(console(), task)
