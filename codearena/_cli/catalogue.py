"""Commands about the arena and its tasks: `health`, `tasks list`, `show` and `certify`."""

from __future__ import annotations

import click

from codearena import Difficulty, ServingStatus
from codearena._cli.embedded import run_service_module
from codearena._cli.render import console, emit_json, print_task, task_table
from codearena._cli.session import EXIT_UNREACHABLE, Session, connection_options, examples, json_option, pass_session

_DIFFICULTIES = [member.lower() for member in Difficulty if member is not Difficulty.UNSPECIFIED]
_SPLITS = ["train", "validation", "test"]


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
    """Look at the catalogue, prove and certify tasks."""


@tasks.command(
    "list",
    epilog=examples("codearena tasks list --difficulty hard", "codearena tasks list --json | jq -r '.tasks[].task_id'"),
)
@click.option("--category", default="", help="Only this category.")
@click.option("--difficulty", type=click.Choice(_DIFFICULTIES, case_sensitive=False), help="Only this difficulty.")
@click.option("--split", type=click.Choice(_SPLITS), help="Only this split.")
@json_option
@connection_options(hidden=True)
@pass_session
def list_tasks(session: Session, category: str, difficulty: str | None, split: str | None, as_json: bool) -> None:
    """List the tasks."""
    with session.connect() as arena:
        found = list(arena.list_tasks(category=category, difficulty=difficulty, split=split or ""))
    if as_json:
        emit_json({"tasks": found})
    elif found:
        console().print(task_table(found))
    else:
        click.echo("no task matches", err=True)


@tasks.command(
    "certify",
    epilog=examples("codearena tasks certify", "codearena tasks certify my-tasks --runs 100 --out certificates.json"),
)
@click.argument("paths", nargs=-1, metavar="[DIR]...", type=click.Path(exists=True))
@click.option("--runs", default=20, show_default=True, type=click.IntRange(2, 10_000), help="Gradings of each program.")
@click.option(
    "--load", type=click.IntRange(1, 1024), help="Processes that make the load.  [default: twice the number of cores]"
)
@click.option("--flake-limit", default=0.0, show_default=True, type=click.FloatRange(0, 1), help="Highest flake rate.")
@click.option(
    "--deviation-limit",
    default=0.005,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Highest standard deviation of a program's reward.",
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Where certificates are kept; those of other tasks stay in it."
    "  [env: CODEARENA_CERTIFICATES; default: certificates.json in CODEARENA_DATA_DIR]",
)
@json_option
@click.pass_context
def certify_tasks(
    ctx: click.Context,
    paths: tuple[str, ...],
    runs: int,
    load: int | None,
    flake_limit: float,
    deviation_limit: float,
    out: str | None,
    as_json: bool,
) -> None:
    """Measure whether rewards flake. Needs a checkout of CodeArena.

    Grades each program of a task (reference, bug, slow solutions) again and again through an arena of its own, half
    of the times under full load, and writes what it finds to a certificate file. An arena keeps a task whose
    certificate failed out of `auto` as long as the task is not changed. Without DIR, the tasks of this checkout.

    Exit status 0 if every task is certified, 1 if one is over a limit, 2 if a file is no task or FILE no certificate
    file, 3 without a sandbox or with one that fails, 130 if interrupted; then nothing is written.
    """
    limits = ["--flake-limit", str(flake_limit), "--deviation-limit", str(deviation_limit)]
    arguments = ["--runs", str(runs), *limits, *(["--json"] if as_json else [])]
    arguments += ["--load", str(load)] if load is not None else []
    arguments += ["--out", out] if out is not None else []
    ctx.exit(run_service_module("services.standalone.certify", [*arguments, "--", *paths]))


@tasks.command("show", epilog=examples("codearena tasks show hard-1 --json | jq -r .buggy_code > fix.py"))
@click.argument("task_id", metavar="ID")
@json_option
@connection_options(hidden=True)
@pass_session
def show_task(session: Session, task_id: str, as_json: bool) -> None:
    """Show one task: description, split, buggy code, its other modules and visible tests."""
    with session.connect() as arena:
        task = arena.get_task(task_id)
    if as_json:
        emit_json(task)
    else:
        print_task(console(), task)
