"""What the env service keeps, and the small interface through which it keeps it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class StoreDown(Exception):
    """The store cannot be read or written at the moment; nothing was changed."""


class UnknownEpisode(LookupError):
    """There is no episode with this id."""


class Conflict(Exception):
    """Somebody else wrote this step, or ended the episode, first; read the episode again."""


@dataclass(frozen=True, slots=True)
class Step:
    """A graded step.

    Attributes:
        number: From 1.
        request_id: The client's id of the request.
        fix: What was proposed.
        reward: Its reward.
        outcome: Its outcome, by the wire enum's number.
        passed: How many tests it passed.
        response: The StepResponse as it was sent, serialized.
    """

    number: int
    request_id: str
    fix: str
    reward: float
    outcome: int
    passed: int
    response: bytes


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode with its steps, oldest first."""

    episode_id: str
    task_id: str
    run_id: str
    seed: int | None
    created: datetime
    done: bool
    steps: tuple[Step, ...] = ()

    @property
    def best_reward(self) -> float | None:
        """Highest reward of a step; None before the first one."""
        return max((step.reward for step in self.steps), default=None)

    def find(self, request_id: str) -> Step | None:
        """Returns the step that a request made, if it made one."""
        return next((step for step in self.steps if step.request_id == request_id), None)

    def has_tried(self, fix: str) -> bool:
        """Returns whether a fix was proposed before, white space at line ends aside."""
        return any(_same_text(step.fix, fix) for step in self.steps)


def _same_text(left: str, right: str) -> bool:
    return [line.rstrip() for line in left.strip().splitlines()] == [
        line.rstrip() for line in right.strip().splitlines()
    ]


class Store(Protocol):
    """Durable episodes. Every method may raise `StoreDown`; what it was to change is then unchanged."""

    async def start(self) -> None:
        """Opens the store and makes what is missing in it."""
        ...

    async def stop(self) -> None:
        """Closes the store. Idempotent."""
        ...

    async def create(self, episode: Episode) -> None:
        """Adds an episode without steps."""
        ...

    async def get(self, episode_id: str) -> Episode:
        """Returns an episode. Raises UnknownEpisode."""
        ...

    async def add_step(self, episode_id: str, step: Step, *, done: bool) -> None:
        """Appends a step, all or nothing. Raises Conflict if number or request_id is taken, or the episode done."""
        ...

    async def close(self, episode_id: str) -> bool:
        """Marks an episode as done. Returns whether it was open. Raises UnknownEpisode."""
        ...

    async def count_open(self) -> int:
        """Returns how many episodes are not done."""
        ...
