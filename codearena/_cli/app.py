"""The `codearena` command."""

from __future__ import annotations

import click

from codearena._cli.authoring import calibrate_tasks, check_tasks, generate_tasks, import_tasks, show_schema
from codearena._cli.catalogue import health, tasks
from codearena._cli.compare import compare
from codearena._cli.curriculum import simulate_curriculum
from codearena._cli.demo import demo
from codearena._cli.evaluate import evaluate_agent
from codearena._cli.export import export
from codearena._cli.fix import fix
from codearena._cli.grading import grade, run
from codearena._cli.judge import judge
from codearena._cli.memory import memory
from codearena._cli.play import play
from codearena._cli.plot import plot
from codearena._cli.rescore import rescore
from codearena._cli.runs import runs
from codearena._cli.session import ArenaGroup, Session, connection_options
from codearena._cli.standing import curriculum
from codearena._cli.stats import stats
from codearena._cli.token import token

_EPILOG = """
\b
Examples:
  codearena demo                       nine tasks played, with an arena of its own
  codearena tasks list                 what there is to repair
  codearena tasks show easy-1          one task: code, description, visible tests
  codearena grade easy-1 fix.py        grade a repair: reward and its parts
  codearena fix broken.py              a proposed repair: diff, why, who answered, cost
  codearena play easy-1 a.py b.py      an episode, one file a step
  cat fix.py | codearena grade easy-1 - --json
  codearena stats --since 24h          rewards, solve rates and repeats, in tables
  codearena export steps.csv           every stored step, for a spreadsheet or a notebook

\b
Exit status:
  0    done; with grade, play, run and demo: passed; with fix: changed, or solved
  1    graded, and not passed; with fix: nothing found
  2    the command line is wrong
  3    no arena answers, or it asks to try again
  4    the arena refused or failed, also for a part of what was asked
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

    Talks to an arena over gRPC: `make serve` starts one. `demo`, `fix`, and the commands about what was played
    (`stats`, `runs`, `curriculum`, `memory`, `rescore`, `export`) start one of their own where none runs.
    """
    ctx.ensure_object(Session)


for _command in (
    health,
    tasks,
    grade,
    fix,
    judge,
    play,
    run,
    demo,
    evaluate_agent,
    compare,
    stats,
    runs,
    curriculum,
    memory,
    rescore,
    plot,
    export,
    simulate_curriculum,
    token,
):
    cli.add_command(_command)
for _command in (check_tasks, generate_tasks, calibrate_tasks, import_tasks, show_schema):
    tasks.add_command(_command)
