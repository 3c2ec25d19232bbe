"""The command `rescore`: what stored steps are worth today."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from codearena import RescoredStep
from codearena._cli.progress import count_steps, tracked
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console, emit_json, figure, plain_table, printable
from codearena._cli.session import EXIT_ARENA, Session, connection_options, examples, json_option, pass_session

_LEAST_CHANGE = 5e-7
_SHOWN = 100


@click.command(
    epilog=examples(
        "codearena rescore --profile tests_only            what would change",
        "codearena rescore --run grpo-12 --regrade         after a change of tasks or limits",
        "codearena rescore --task easy-1 --regrade --apply",
        "codearena rescore --json | jq '.changes[] | .new_reward - .old_reward'",
    )
)
@click.option("--run", "run_id", metavar="RUN", default="", help="Only this training run.")
@click.option("--task", "task_id", metavar="TASK", default="", help="Only this task.")
@click.option("--profile", metavar="NAME", default="", help="Weight profile.  [default: the arena's]")
@click.option("--regrade", is_flag=True, help="Grade each fix anew instead of weighing its stored scores.")
@click.option("--apply", is_flag=True, help="Store the new rewards.")
@json_option
@connection_options(hidden=True)
@pass_session
@click.pass_context
def rescore(
    ctx: click.Context,
    session: Session,
    run_id: str,
    task_id: str,
    profile: str,
    regrade: bool,
    apply: bool,
    as_json: bool,
) -> None:
    """Give stored steps the reward that they would have now.

    By another weight profile, or with --regrade from a new grading of every fix. Nothing is stored without --apply.
    Interrupted with --apply, what was rescored until then is stored, and running it again does the rest.

    Exit status 4 if a step could not be rescored.
    """
    changes: list[RescoredStep] = []
    failures: list[RescoredStep] = []
    count = 0
    with keeping_arena(session) as arena:
        total = count_steps(arena, run_id, task_id)
        steps = arena.rescore(run_id, task_id, profile, regrade, apply)
        for step in tracked(steps, "regrading" if regrade else "rescoring", total):
            count += 1
            if step.new_reward is None:
                failures.append(step)
            elif abs(step.new_reward - step.old_reward) > _LEAST_CHANGE:
                changes.append(step)
    if as_json:
        emit_json(
            {"step_count": count, "applied": apply, "changes": changes, "failures": failures},
        )
    else:
        _print(console(), count, changes, failures, apply)
    ctx.exit(EXIT_ARENA if failures else 0)


def _print(
    out: Console, count: int, changes: Sequence[RescoredStep], failures: Sequence[RescoredStep], applied: bool
) -> None:
    if changes:
        out.print(_changed(changes[:_SHOWN]))
        _print_rest(out, len(changes))
    if failures:
        out.print(_failed(failures[:_SHOWN]))
        _print_rest(out, len(failures))
    out.print(f"{len(changes)} of {count} steps changed" + (f", {len(failures)} failed" if failures else ""))
    if changes:
        out.print("the new rewards are stored" if applied else "nothing was stored: --apply stores the new rewards")


def _print_rest(out: Console, count: int) -> None:
    if count > _SHOWN:
        out.print(f"... and {count - _SHOWN} more: --json shows all")


def _changed(steps: Sequence[RescoredStep]) -> Table:
    table = plain_table("episode", "task", "step", "stored", "new", "change", left=2, title="changes")
    for step in steps:
        change = (step.new_reward or 0.0) - step.old_reward
        shown = Text(f"{change:+.3f}", style="green" if change > 0 else "red")
        names = (Text(printable(step.episode_id)), Text(printable(step.task_id)))
        table.add_row(*names, str(step.step), figure(step.old_reward), figure(step.new_reward), shown)
    return table


def _failed(steps: Sequence[RescoredStep]) -> Table:
    table = plain_table("episode", "task", "step", left=2, title="failures")
    table.add_column("why")
    for step in steps:
        why = Text(printable(str(step.error)))
        table.add_row(Text(printable(step.episode_id)), Text(printable(step.task_id)), str(step.step), why)
    return table
