"""Commands that run code once: `grade` and `run`."""

from __future__ import annotations

import sys

import click
from rich.text import Text

from codearena import Outcome
from codearena._cli.render import console, emit_json, outcome_text, plain, print_grade, printable
from codearena._cli.session import (
    EXIT_NOT_PASSED,
    Session,
    connection_options,
    examples,
    json_option,
    pass_session,
    read_source,
)

source_argument = click.argument("path", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True))


@click.command(
    epilog=examples("codearena grade easy-1 fix.py", "codearena grade easy-1 - --json < fix.py | jq .reward")
)
@click.argument("task_id", metavar="TASK")
@source_argument
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Chooses the random inputs of the task."
)
@json_option
@connection_options(hidden=True)
@pass_session
@click.pass_context
def grade(ctx: click.Context, session: Session, task_id: str, path: str, seed: int, as_json: bool) -> None:
    """Grade FILE as a repair of TASK.

    There is no episode. FILE may be "-" for stdin. Exit status 0 if every test passed, 1 if not.
    """
    code = read_source(path)
    with session.connect() as arena:
        result = arena.grade(task_id, code, seed=seed)
    if as_json:
        emit_json({"task_id": task_id, "grade": result})
    else:
        print_grade(console(), result)
    ctx.exit(0 if result.outcome is Outcome.PASSED else EXIT_NOT_PASSED)


@click.command(epilog=examples("echo 'print(sum(range(10)))' | codearena run -"))
@source_argument
@click.option(
    "--stdin",
    "stdin_path",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help='What the script finds on its stdin; "-" passes ours on.',
)
@json_option
@connection_options(hidden=True)
@pass_session
@click.pass_context
def run(ctx: click.Context, session: Session, path: str, stdin_path: str | None, as_json: bool) -> None:
    """Run FILE as a script in the sandbox.

    FILE may be "-" for stdin. Its output goes to stdout and stderr, a summary to stderr. Exit status 0 if it
    ended with 0, else 1.
    """
    if path == stdin_path == "-":
        raise click.UsageError("stdin can be either the script or its input")
    code = read_source(path)
    stdin = "" if stdin_path is None else read_source(stdin_path)
    with session.connect() as arena:
        result = arena.run_code(code, stdin=stdin)
    if as_json:
        emit_json(plain(result))
    else:
        click.echo(printable(result.stdout) if sys.stdout.isatty() else result.stdout, nl=False)
        click.echo(printable(result.stderr) if sys.stderr.isatty() else result.stderr, nl=False, err=True)
        usage = result.usage
        summary = Text.assemble(
            outcome_text(result.outcome),
            f"  cpu {usage.cpu_seconds:.3f} s  wall {usage.wall_seconds:.3f} s"
            f"  memory {usage.peak_memory_bytes / 2**20:.1f} MiB  {result.complexity.time_complexity}",
        )
        console(stderr=True).print(summary, soft_wrap=True)
    ctx.exit(0 if result.outcome is Outcome.PASSED else EXIT_NOT_PASSED)
