"""The steps of the demo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from codearena import ArenaClient, Outcome, Proposal, StepResult, Task
from codearena._cli.rounds import play_rounds


@dataclass(frozen=True, slots=True)
class PlayedStep:
    """A step of the demo.

    Attributes:
        at: When its result came, in UTC.
        task: The task.
        proposal: What was proposed, by whom and why.
        result: What came of it.
    """

    at: datetime
    task: Task
    proposal: Proposal
    result: StepResult

    @property
    def number(self) -> int:
        """Number of the step, from 1."""
        return self.result.observation.step


def play_task(arena: ArenaClient, task: Task, run_id: str) -> Iterator[PlayedStep]:
    """Plays one episode, until it is done or the arena proposes what it proposed before.

    Raises:
        ArenaError: The arena could not do its part.
    """
    for played in play_rounds(arena, task.task_id, run_id=run_id):
        if played.proposal is not None and played.result is not None:
            yield PlayedStep(datetime.now(UTC), task, played.proposal, played.result)


def is_solved(steps: list[PlayedStep]) -> bool:
    """Returns whether one of the steps passed every test."""
    return any(step.result.outcome is Outcome.PASSED for step in steps)
