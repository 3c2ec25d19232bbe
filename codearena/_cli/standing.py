"""The command `curriculum`: where a training run stands."""

from __future__ import annotations

import click
from rich.text import Text

from codearena import Curriculum
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console, emit_json, figure, plain_table, printable
from codearena._cli.session import Session, connection_options, examples, json_option, pass_session


@click.command(epilog=examples("codearena curriculum grpo-12", "codearena curriculum grpo-12 --json | jq -r .level"))
@click.argument("run_id", metavar="RUN")
@json_option
@connection_options(hidden=True)
@pass_session
def curriculum(session: Session, run_id: str, as_json: bool) -> None:
    """Show where RUN stands in its curriculum.

    Its level, the rewards since it came there, the last moves and what would cause the next one. `codearena runs` lists
    the runs.
    """
    with keeping_arena(session) as arena:
        found = arena.get_curriculum(run_id)
    if as_json:
        emit_json(found)
    else:
        _print(found)


def _print(found: Curriculum) -> None:
    out = console()
    levels = Text(" > ").join(
        Text(f"[{level.lower()}]", style="bold green") if level is found.level else Text(level.lower())
        for level in found.levels
    )
    out.print(Text.assemble("level: ", levels), soft_wrap=True)
    window = " ".join(f"{reward:.2f}" for reward in found.window)
    out.print(f"window: {window or 'no rewards yet'}", soft_wrap=True)
    out.print(f"mean: {figure(found.mean_reward)} of {found.episode_count} episodes in all", soft_wrap=True)
    out.print(Text(printable(found.explanation)), soft_wrap=True)
    if found.moves:
        table = plain_table("from", "to", "after", "mean", left=2, title="moves")
        table.add_column("why")
        for move in found.moves:
            ends = (move.from_level.lower(), move.to_level.lower())
            why = Text(printable(move.reason))
            table.add_row(*ends, str(move.episode), figure(move.mean_reward), why)
        out.print()
        out.print(table)
