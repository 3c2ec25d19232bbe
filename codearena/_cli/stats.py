"""The command `stats`: tables about what was played."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import click
from rich.table import Table
from rich.text import Text

from codearena import StatsRow
from codearena._cli.moments import period_options
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console, emit_json, figure, plain_table, printable
from codearena._cli.session import Session, connection_options, examples, json_option, pass_session


@click.command(
    epilog=examples(
        "codearena stats                             after `codearena demo`: what it played",
        "codearena stats --run grpo-12 --since 24h",
        "codearena stats --json | jq '.tables.complexity[] | {key, mean_reward}'",
    )
)
@click.option("--run", "run_id", metavar="RUN", default="", help="Only this training run.")
@period_options
@json_option
@connection_options(hidden=True)
@pass_session
def stats(session: Session, run_id: str, since: datetime | None, until: datetime | None, as_json: bool) -> None:
    """Show rewards, solve rates and repeats.

    One table for all, and one each by task, category, level, estimated complexity, method and day. "reward" is the
    mean absolute reward of the steps, "solved" the part of the episodes that were, "to solve" the mean number of their
    steps, "repeats" the part of the steps that repeated an earlier fix.
    """
    with keeping_arena(session) as arena:
        tables = arena.get_stats(run_id, since, until)
    if as_json:
        emit_json({"tables": tables})
    elif not any(tables.values()):
        click.echo("no steps: `codearena demo` plays some; --run, --since and --until may leave out too much", err=True)
    else:
        out = console()
        for number, (name, rows) in enumerate(tables.items()):
            if number:
                out.print()
            out.print(_table(name, rows))


def _table(name: str, rows: Iterable[StatsRow]) -> Table:
    columns = ("episodes", "steps", "reward", "solved", "to solve", "repeats")
    table = plain_table(name, *columns, title=f"by {name}" if name != "all" else "all steps")
    for row in rows:
        solved = None if row.solve_rate is None else 100 * row.solve_rate
        table.add_row(
            Text(printable(row.key) or "(none)"),
            str(row.episode_count),
            str(row.step_count),
            figure(row.mean_reward),
            "-" if solved is None else f"{solved:.0f}%",
            figure(row.mean_steps_to_solve, 1),
            f"{100 * row.repeat_rate:.0f}%",
        )
    return table
