"""The command `play`: an episode by hand."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.console import Console
from rich.text import Text

from codearena import Episode, Observation, Outcome, StepResult
from codearena._cli.render import console, emit_json, print_grade, print_task, printable
from codearena._cli.session import (
    EXIT_NOT_PASSED,
    Session,
    connection_options,
    examples,
    is_interactive,
    json_option,
    pass_session,
    read_source,
)


@click.command(epilog=examples("codearena play easy-1 first.py second.py", "EDITOR=vim codearena play hard --seed 7"))
@click.argument("task_id", metavar="TASK")
@click.argument("paths", metavar="[FILE]...", nargs=-1, type=click.Path(exists=True, dir_okay=False, allow_dash=True))
@click.option("--seed", type=click.IntRange(min=0), help="Which task, where TASK names several.")
@click.option("--run-id", default="", help="The training run this episode belongs to.")
@json_option
@connection_options(hidden=True)
@pass_session
@click.pass_context
def play(
    ctx: click.Context,
    session: Session,
    task_id: str,
    paths: tuple[str, ...],
    seed: int | None,
    run_id: str,
    as_json: bool,
) -> None:
    """Play an episode of TASK.

    TASK is an id, a category, a difficulty, or "auto". Each FILE is one step, in this order, until the episode is
    done. Without files, in a terminal, $EDITOR opens for every step; leave it without saving to stop. Exit status 0
    if a step passed every test, 1 if not.
    """
    if not paths and (as_json or not is_interactive()):
        raise click.UsageError("give a FILE for each step, or run without --json in a terminal to use $EDITOR")
    out = console(quiet=as_json)
    sources = [read_source(path) for path in paths]
    steps: list[StepResult] = []
    with session.connect() as arena, arena.reset(task_id, seed=seed, run_id=run_id) as episode:
        print_task(out, episode.task)
        _print_observation(out, episode.observation)
        for source in sources or _edited(episode):
            result = episode.step(source)
            steps.append(result)
            out.print(Text(f"\nstep {result.observation.step} of {result.observation.max_steps}", style="bold"))
            print_grade(out, result.grade)
            _print_observation(out, result.observation, log=False)
            if episode.done:
                break
    solved = any(result.outcome is Outcome.PASSED for result in steps)
    if as_json:
        emit_json(_document(episode, steps, solved))
    ctx.exit(0 if solved else EXIT_NOT_PASSED)


def _edited(episode: Episode) -> Iterator[str]:
    source = episode.observation.buggy_code
    while (edited := click.edit(source, extension=".py")) is not None:
        source = edited
        yield source


def _print_observation(out: Console, observation: Observation, *, log: bool = True) -> None:
    if log and observation.error_log:
        out.print(Text("\n" + printable(observation.error_log.rstrip())), soft_wrap=True)
    if observation.hint:
        out.print(Text(f"hint: {printable(observation.hint)}", style="yellow"), soft_wrap=True)


def _document(episode: Episode, steps: list[StepResult], solved: bool) -> dict[str, object]:
    return {
        "episode_id": episode.episode_id,
        "task_id": episode.task_id,
        "solved": solved,
        "steps": [
            {
                "step": result.observation.step,
                "done": result.done,
                "grade": result.grade,
                "hint": result.observation.hint,
            }
            for result in steps
        ],
    }
