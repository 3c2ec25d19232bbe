"""The command `demo`: every task once, with the arena's own proposals as the agent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import click
from rich.console import Console
from rich.text import Text

from codearena import ArenaClient, Task
from codearena._cli.demo_play import PlayedStep, is_solved, play_task
from codearena._cli.demo_record import draw_rewards, logged
from codearena._cli.demo_view import DemoView
from codearena._cli.embedded import EmbeddedArena, embedded_arena
from codearena._cli.render import console, emit_json
from codearena._cli.rounds import demo_tasks
from codearena._cli.session import (
    EXIT_ARENA,
    EXIT_NOT_PASSED,
    Session,
    connection_options,
    examples,
    json_option,
    pass_session,
)
from codearena.reward_log import RewardLog


class EmptyCatalogue(click.ClickException):
    """An arena without tasks has nothing to play."""

    exit_code = EXIT_ARENA


@click.command(epilog=examples("codearena demo", "codearena demo --address arena.example:50051 --out results/today"))
@click.option(
    "--out",
    "folder",
    metavar="FOLDER",
    default="results",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where rewards_log.csv and rewards.png go.",
)
@click.option("--all", "every", is_flag=True, help="Play every task of the arena, not nine of them.")
@json_option
@connection_options(hidden=True)
@pass_session
@click.pass_context
def demo(ctx: click.Context, session: Session, folder: Path, every: bool, as_json: bool) -> None:
    """Play nine tasks, explain each reward.

    The agent is the arena's own ProposeFix: propose, step, look, again. Without --address (or CODEARENA_ADDRESS)
    an arena is started for the demo and ended after it; this needs a checkout of CodeArena.

    Exit status 0 if every task was solved, 1 if not.
    """
    out = console(quiet=as_json)
    with _arena(session, out) as (address, own), session.connect(address) as arena:
        tasks = list(arena.list_tasks()) if every else demo_tasks(arena)
        if not tasks:
            raise EmptyCatalogue(f"the arena at {address} has no tasks")
        folder.mkdir(parents=True, exist_ok=True)
        played = _play_all(arena, tasks, folder / "rewards_log.csv", out)
    chart = _chart(played, folder / "rewards.png")
    solved = [task_id for task_id, steps in played.items() if is_solved(steps)]
    if as_json:
        emit_json(_document(address, own, played, folder / "rewards_log.csv", chart))
    else:
        _summarise(out, played, solved, folder / "rewards_log.csv", chart)
    ctx.exit(0 if len(solved) == len(tasks) else EXIT_NOT_PASSED)


@contextmanager
def _arena(session: Session, out: Console) -> Iterator[tuple[str, EmbeddedArena | None]]:
    if session.address is not None:
        out.print(f"arena: {session.address}", soft_wrap=True)
        yield session.address, None
        return
    out.print("starting an arena ...")
    with embedded_arena() as own:
        out.print(f"sandbox: {own.sandbox} ({own.reason})", soft_wrap=True)
        out.print(f"arena: {own.address}, process {own.pid}, ends with the demo", soft_wrap=True)
        yield own.address, own


def _play_all(arena: ArenaClient, tasks: list[Task], log_path: Path, out: Console) -> dict[str, list[PlayedStep]]:
    run_id = f"demo-{uuid4().hex[:12]}"
    played: dict[str, list[PlayedStep]] = {}
    with RewardLog(log_path) as log, DemoView(out, tasks) as view:
        for task in tasks:
            steps = played.setdefault(task.task_id, [])
            for step in play_task(arena, task, run_id):
                steps.append(step)
                log.write(logged(step))
                view.step(step)
            view.finished(task, steps)
    return played


def _chart(played: dict[str, list[PlayedStep]], path: Path) -> Path | None:
    try:
        draw_rewards(played, path)
    except ImportError:
        click.echo("no chart: matplotlib is not installed (it is the extra `plot`)", err=True)
        return None
    return path


def _summarise(
    out: Console, played: dict[str, list[PlayedStep]], solved: list[str], log_path: Path, chart: Path | None
) -> None:
    last = [steps[-1].result.reward for steps in played.values() if steps]
    mean = sum(last) / len(last) if last else 0.0
    style = "green" if len(solved) == len(played) else "red"
    out.print(Text(f"\nsolved {len(solved)} of {len(played)} tasks, mean reward {mean:.3f}", style=style))
    if missing := [task_id for task_id in played if task_id not in solved]:
        out.print(f"not solved: {', '.join(missing)}", soft_wrap=True)
    out.print(f"every step: {log_path}", soft_wrap=True)
    if chart is not None:
        out.print(f"chart: {chart}", soft_wrap=True)


def _document(
    address: str,
    own: EmbeddedArena | None,
    played: dict[str, list[PlayedStep]],
    log_path: Path,
    chart: Path | None,
) -> dict[str, object]:
    return {
        "address": address,
        "arena": own,
        "log": str(log_path),
        "chart": None if chart is None else str(chart),
        "tasks": [
            {
                "task_id": task_id,
                "solved": is_solved(steps),
                "steps": [
                    {
                        "step": step.number,
                        "method": step.proposal.method,
                        "explanations": step.proposal.explanations,
                        "grade": step.result.grade,
                    }
                    for step in steps
                ],
            }
            for task_id, steps in played.items()
        ],
    }
