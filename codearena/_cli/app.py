"""The `codearena` command."""

from __future__ import annotations

import click

from codearena._cli.catalogue import health, tasks
from codearena._cli.curriculum import simulate_curriculum
from codearena._cli.demo import demo
from codearena._cli.grading import grade, run
from codearena._cli.play import play
from codearena._cli.session import ArenaGroup, Session, connection_options

_EPILOG = """
\b
Examples:
  codearena demo                       play every task, with an arena of its own
  codearena tasks list                 what there is to repair
  codearena tasks show easy-1          one task: code, description, visible tests
  codearena grade easy-1 fix.py        grade a repair: reward and its parts
  codearena play easy-1 a.py b.py      an episode, one file a step
  cat fix.py | codearena grade easy-1 - --json

\b
Exit status:
  0    done; with grade, play, run and demo: passed
  1    graded, and not passed
  2    the command line is wrong
  3    no arena answers, or it asks to try again
  4    the arena refused, or failed
  130  interrupted
"""


@click.group(
    cls=ArenaGroup, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@connection_options()
@click.version_option(package_name="codearena-rl", prog_name="codearena")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """CodeArena: buggy code, hidden tests, and a reward for every repair.

    Talks to an arena over gRPC. All commands but `demo` need one that runs: `make serve` starts it.
    """
    ctx.ensure_object(Session)


for _command in (health, tasks, grade, play, run, demo, simulate_curriculum):
    cli.add_command(_command)
