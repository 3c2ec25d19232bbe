"""Which tasks an evaluation plays, and in which arena."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from codearena import AsyncArenaClient, Task
from codearena._cli.embedded import embedded_arena
from codearena._cli.evaluate_agents import EvaluationProblem
from codearena._cli.session import Session

_IMPORTED: Final = Path("imported")


@dataclass(frozen=True, slots=True)
class Choice:
    """Which tasks are played."""

    task_ids: tuple[str, ...]
    category: str
    difficulty: str | None
    split: str
    pack: str


async def chosen_tasks(arena: AsyncArenaClient, choice: Choice) -> list[Task]:
    """Returns the tasks that are played.

    Raises:
        EvaluationProblem: There are none, or one that was named is missing.
    """
    listed = arena.list_tasks(category=choice.category, difficulty=choice.difficulty, split=choice.split)
    tasks = [task async for task in listed if _is_chosen(task, choice)]
    _check_chosen(tasks, choice)
    return tasks


@contextmanager
def playing_arena(session: Session, paths: Sequence[Path], pack: str) -> Iterator[str]:
    """Yields the address of the arena that was named, or of one that is started with further tasks."""
    if session.address is not None:
        if paths:
            raise click.UsageError("--tasks-from is for an arena that is started here; without --address")
        yield session.address
        return
    extra = [str(path) for path in paths]
    if pack and not extra and (_IMPORTED / pack).is_dir():
        extra = [str(_IMPORTED / pack)]
    click.echo("starting an arena ...", err=True)
    with embedded_arena(further_tasks=extra) as own:
        click.echo(f"arena: {own.address}, sandbox: {own.sandbox} ({own.reason})", err=True)
        yield own.address


def _is_chosen(task: Task, choice: Choice) -> bool:
    if choice.task_ids and task.task_id not in choice.task_ids:
        return False
    return not choice.pack or task.task_id.startswith(f"{choice.pack}/")


def _check_chosen(tasks: Sequence[Task], choice: Choice) -> None:
    if missing := sorted(set(choice.task_ids) - {task.task_id for task in tasks}):
        raise EvaluationProblem(f"the arena has no task {missing[0]} among those that were chosen")
    if not tasks and choice.pack:
        raise EvaluationProblem(
            f"the arena has no tasks of a pack {choice.pack}: import it (`codearena tasks import --help`) into "
            f"{_IMPORTED / choice.pack}, or name its folder with --tasks-from"
        )
    if not tasks:
        raise EvaluationProblem("no task of the arena fits; `codearena tasks list` shows what there is")
