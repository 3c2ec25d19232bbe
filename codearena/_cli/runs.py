"""The commands `runs` and `runs set`: training runs, their priority and quotas."""

from __future__ import annotations

from collections.abc import Iterable

import click
from rich.table import Table
from rich.text import Text

from codearena import Run
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console, emit_json, figure, local_time, plain_table, printable
from codearena._cli.session import Session, connection_options, examples, json_option, pass_session

_MOST = 2**31 - 1


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "codearena runs",
        "codearena runs --json | jq -r '.runs[].run_id'",
        "codearena runs set grpo-12 --weight 2",
        "codearena runs set grpo-12 --max-open-episodes 500 --max-gradings-per-minute 0",
    ),
)
@click.option("--count", default=50, show_default=True, type=click.IntRange(1, 500), help="At most this many.")
@json_option
@connection_options(hidden=True)
@pass_session
@click.pass_context
def runs(ctx: click.Context, session: Session, count: int, as_json: bool) -> None:
    """List training runs, or set what they may use.

    The run that was active last comes first. A run is whatever clients name as `run_id`.
    """
    if ctx.invoked_subcommand is not None:
        return
    with keeping_arena(session) as arena:
        found = arena.list_runs(count)
    if as_json:
        emit_json({"runs": found})
    elif found:
        console().print(_table(found))
    else:
        click.echo("no runs: an episode belongs to one if its client names a run_id", err=True)


@runs.command("set", epilog=examples("codearena runs set grpo-12 --weight 2 --max-open-episodes 500"))
@click.argument("run_id", metavar="RUN")
@click.option(
    "--weight", type=click.FloatRange(0.01, 100), help="Its share of the slots against other runs', 1 unless set."
)
@click.option("--max-open-episodes", type=click.IntRange(0, _MOST), help="Episodes it may have open; 0: any number.")
@click.option(
    "--max-gradings-per-minute",
    type=click.IntRange(0, _MOST),
    help="Steps and gradings it may begin within a minute; 0: any number.",
)
@json_option
@connection_options(hidden=True)
@pass_session
def set_run(
    session: Session,
    run_id: str,
    weight: float | None,
    max_open_episodes: int | None,
    max_gradings_per_minute: int | None,
    as_json: bool,
) -> None:
    """Set priority and quotas of RUN.

    What is not given stays as it is. RUN need not have begun yet.
    """
    if weight is None and max_open_episodes is None and max_gradings_per_minute is None:
        raise click.UsageError("give --weight, --max-open-episodes or --max-gradings-per-minute")
    with keeping_arena(session) as arena:
        run = arena.update_run(run_id, weight, max_open_episodes, max_gradings_per_minute)
    if as_json:
        emit_json(run)
    else:
        console().print(_table([run]))


def _table(found: Iterable[Run]) -> Table:
    table = plain_table("run", "episodes", "open", "steps", "reward", "weight", "most open", "gradings/min")
    table.add_column("last active", no_wrap=True)
    for run in found:
        table.add_row(
            Text(printable(run.run_id)),
            *(str(run.episode_count), str(run.open_episode_count), str(run.step_count), figure(run.mean_reward)),
            *(f"{run.weight:g}", _limit(run.max_open_episodes), _limit(run.max_gradings_per_minute)),
            local_time(run.last_active_at),
        )
    return table


def _limit(most: int) -> str:
    return str(most) if most else "any"
