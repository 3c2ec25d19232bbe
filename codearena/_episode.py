"""What sync and async episodes have in common."""

from __future__ import annotations

from codearena._calls import Opened
from codearena._models import Observation, StepResult, Task


class EpisodeBase:
    """An episode as the client last saw it.

    Attributes:
        episode_id: Its id.
        task: The task that was chosen.
        observation: What the agent sees now: after a reset, then after each step.
        done: Whether the last step ended it, or `close` did.
    """

    def __init__(self, opened: Opened) -> None:
        self.episode_id: str = opened.episode_id
        self.task: Task = opened.task
        self.observation: Observation = opened.observation
        self.done: bool = False

    @property
    def task_id(self) -> str:
        """Id of the task."""
        return self.task.task_id

    def _advance(self, result: StepResult) -> StepResult:
        self.observation = result.observation
        self.done = result.done
        return result

    def __repr__(self) -> str:
        step = f"{self.observation.step}/{self.observation.max_steps}"
        return f"<{type(self).__name__} {self.episode_id} task={self.task_id} step={step} done={self.done}>"
