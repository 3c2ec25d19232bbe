"""A progress bar on stderr, where that is a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TypeVar

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from codearena import ArenaClient
from codearena._cli.render import console

T = TypeVar("T")


def tracked(items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
    """Yields the items, and shows how many there were.

    Args:
        items: What to go through.
        label: What is done with them.
        total: How many there are to be; None if nobody knows.
    """
    out = console(stderr=True)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=out, transient=True, disable=not out.is_terminal) as bar:
        task = bar.add_task(label, total=total)
        for item in items:
            yield item
            bar.advance(task)


def count_steps(
    arena: ArenaClient, run_id: str, task_id: str = "", start: datetime | None = None, end: datetime | None = None
) -> int | None:
    """Returns how many steps the arena keeps, for a bar on a terminal; None where there is none to show it."""
    if not console(stderr=True).is_terminal:
        return None
    tables = arena.get_stats(run_id, start, end)
    rows = tables.get("task" if task_id else "all", [])
    return sum(row.step_count for row in rows if not task_id or row.key == task_id)
