"""The command `plot`: charts of what was played."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from codearena import StepRecord
from codearena._cli.moments import period_options
from codearena._cli.reach import keeping_arena
from codearena._cli.render import console, emit_json
from codearena._cli.session import EXIT_USAGE, Session, connection_options, examples, json_option, pass_session
from codearena.plots import draw_charts
from codearena.reward_log import LoggedStep, RewardLogError, read_log

_LOG = "rewards_log.csv"


class PlotProblem(click.ClickException):
    """There is nothing to draw, or nothing to draw with."""

    exit_code = EXIT_USAGE


@click.command(
    epilog=examples(
        "codearena plot results/rewards_log.csv",
        "codearena plot results/eval --out results/charts --format svg",
        "codearena plot --run grpo-12 --since 7d",
    )
)
@click.argument("source", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--run", "run_id", metavar="RUN", default="", help="Without SOURCE: only this training run.")
@period_options
@click.option(
    "--out",
    "folder",
    metavar="FOLDER",
    default="results/plots",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the charts go.",
)
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(["png", "svg"]),
    default=("png", "svg"),
    show_default=True,
    help="May be given twice.",
)
@json_option
@connection_options(hidden=True)
@pass_session
def plot(
    session: Session,
    source: Path | None,
    run_id: str,
    since: datetime | None,
    until: datetime | None,
    folder: Path,
    formats: tuple[str, ...],
    as_json: bool,
) -> None:
    """Draw ten charts of steps: curves, tasks, difficulty, complexity, methods, turns, components, curriculum.

    SOURCE is a rewards_log.csv, a CSV of `codearena export`, or a folder with a rewards_log.csv, as `demo` and `eval`
    write it. Without SOURCE, the steps that the arena keeps are drawn.
    """
    try:
        if source is None:
            with keeping_arena(session) as arena:
                steps = [_logged(step) for step in arena.export_steps(run_id, since, until)]
        elif run_id or since or until:
            raise click.UsageError("--run, --since and --until choose among the arena's steps; without SOURCE")
        else:
            steps = list(read_log(source / _LOG if source.is_dir() else source))
        files = draw_charts(steps, folder, formats)
    except ImportError as error:
        raise PlotProblem("charts need matplotlib, the extra `plot`") from error
    except (RewardLogError, ValueError) as error:
        raise PlotProblem(str(error)) from error
    if as_json:
        emit_json({"steps": len(steps), "files": [str(path) for path in files]})
    else:
        console().print(f"{len(steps)} steps, {len(files)} files in {folder}", soft_wrap=True)


def _logged(step: StepRecord) -> LoggedStep:
    return LoggedStep(
        task_id=step.task_id,
        step=step.step,
        reward=step.reward,
        episode_id=step.episode_id,
        timestamp=step.created_at.isoformat(timespec="milliseconds"),
        category=step.category,
        difficulty=step.difficulty.value,
        outcome=step.outcome.value,
        complexity=step.time_complexity,
        method=step.method,
    )
