"""The draw within a level: tasks of uncertain outcome come more often. Pure.

A group of attempts at a task that always or never succeeds has rewards that are all alike, and teaches nothing. The
variance of a coin, p x (1 - p), is highest where the outcome is open, so it is the weight; p is smoothed by Laplace's
rule of succession, the mean of a Beta(1 + solved, 1 + unsolved) distribution.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

FLOOR = 0.1
"""Weight that every task has, whatever its record: one that never fails still comes a tenth as often as an open one."""


class Drawable(Protocol):
    """What the draw needs to know of a task."""

    @property
    def id(self) -> str:
        """Its id, unique among the tasks of a draw."""
        ...

    @property
    def category(self) -> str:
        """Its category."""
        ...


T = TypeVar("T", bound=Drawable)


@dataclass(frozen=True, slots=True)
class Record:
    """What a run has achieved on a task.

    Attributes:
        solved: Episodes that solved it.
        played: Episodes in all.
    """

    solved: int = 0
    played: int = 0

    def __post_init__(self) -> None:
        """Checks the numbers.

        Raises:
            ValueError: More were solved than played, or a number is negative.
        """
        if not 0 <= self.solved <= self.played:
            raise ValueError(f"solved must be from 0 to played: {self.solved} of {self.played} cannot be")


def weight(record: Record) -> float:
    """Returns 0.1 + 4 x p x (1 - p), where p = (solved + 1) / (played + 2): from 0.1 to 1.1."""
    p = (record.solved + 1) / (record.played + 2)
    return FLOOR + 4 * p * (1 - p)


def chances(tasks: Sequence[Drawable], records: Mapping[str, Record]) -> dict[str, float]:
    """Returns the probability of each task, by id.

    A task's weight is divided by the number of tasks in its category. So each category has the same base share,
    however many tasks it has; beyond that its share is the mean weight of its tasks.

    Args:
        tasks: Those of a level.
        records: By task id; a task without one was never played.

    Raises:
        ValueError: There is no task.
    """
    if not tasks:
        raise ValueError("there is no task to draw from: give those of a level that has some")
    sizes = Counter(task.category for task in tasks)
    weights = {task.id: weight(records.get(task.id, Record())) / sizes[task.category] for task in tasks}
    total = sum(weights.values())
    return {task_id: value / total for task_id, value in weights.items()}


def draw(tasks: Sequence[T], records: Mapping[str, Record], seed: int | None = None) -> T:
    """Draws a task by its chance.

    Args:
        tasks: Those of a level, in any order.
        records: What this run has achieved on each, by task id.
        seed: With the same tasks and records it draws the same task. None: random.

    Raises:
        ValueError: There is no task.
    """
    ordered = sorted(tasks, key=lambda task: task.id)
    weights = list(chances(ordered, records).values())
    return random.Random(seed).choices(ordered, weights)[0]  # noqa: S311 - a draw, not a secret
