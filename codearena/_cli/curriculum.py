"""The command `simulate-curriculum`."""

from __future__ import annotations

import click

from codearena._cli.embedded import run_service_module
from codearena._cli.session import examples


@click.command(
    "simulate-curriculum",
    epilog=examples(
        "codearena simulate-curriculum",
        "codearena simulate-curriculum --seed 7 --plot curriculum.svg",
        "codearena simulate-curriculum --window 40 --minimum 20    what slower rules would do",
    ),
)
@click.option("--episodes", default=300, show_default=True, type=click.IntRange(1, 10_000), help="Of each agent.")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same runs.")
@click.option(
    "--plot",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Also draw a chart, as .svg or .png. Needs matplotlib, the extra `plot`.",
)
@click.option("--window", default=20, show_default=True, help="Episodes that the mean is over, at most.")
@click.option("--minimum", default=10, show_default=True, help="Episodes since the last move before there is another.")
@click.option("--escalate-above", default=0.80, show_default=True, help="A mean over this moves up.")
@click.option("--deescalate-below", default=0.35, show_default=True, help="A mean under this moves down.")
@click.option("--hysteresis", default=0.05, show_default=True, help="How much more it takes to undo the last move.")
@click.pass_context
def simulate_curriculum(
    ctx: click.Context,
    episodes: int,
    seed: int,
    plot: str | None,
    window: int,
    minimum: int,
    escalate_above: float,
    deescalate_below: float,
    hysteresis: float,
) -> None:
    """Try the curriculum on made-up agents. Needs a checkout of CodeArena.

    Three agents play: one improves, one gets stuck and one collapses. The levels move, and the tasks are drawn, as in
    an arena; no sandbox runs. For each agent a table tells, for every 50 episodes, the mean reward, the share of time
    at each level, and each move with its reason. Use it to see what other rules would do before a run goes by them.

    Exit status 1 if the chart could not be written, 2 if the command line is wrong.
    """
    arguments = [f"--episodes={episodes}", f"--seed={seed}", f"--window={window}", f"--minimum={minimum}"]
    arguments += [f"--escalate-above={escalate_above}", f"--deescalate-below={deescalate_below}"]
    arguments += [f"--hysteresis={hysteresis}", *([f"--plot={plot}"] if plot is not None else [])]
    ctx.exit(run_service_module("services.standalone.simulate_curriculum", arguments))
