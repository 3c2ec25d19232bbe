"""What the env service keeps, and the small interface through which it keeps it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from services.env.options import DEFAULTS, Options


class StoreDown(Exception):
    """The store cannot be read or written at the moment; nothing was changed."""


class UnknownEpisode(LookupError):
    """There is no episode with this id."""


class Conflict(Exception):
    """Somebody else wrote this step, ended the episode, or took its claim over; read the episode again."""


class Claimed(Exception):
    """Somebody else holds the episode's claim.

    Attributes:
        seconds: How long it still holds if nothing is heard of its holder.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"for {seconds:.1f} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Step:
    """A graded step.

    Attributes:
        number: From 1.
        request_id: The client's id of the request.
        fix: What was proposed.
        reward: Its absolute reward.
        outcome: Its outcome, by the wire enum's number.
        passed: How many tests it passed.
        response: The StepResponse as it was sent, serialized.
        created: When it was graded; None for one of an old version.
        complexity: Estimated time complexity, or "".
        method: Who or what made it, or "".
        repeated: Whether the episode had tried it before.
        tests: One character for each test in its order: "1" passed, "0" failed.
    """

    number: int
    request_id: str
    fix: str
    reward: float
    outcome: int
    passed: int
    response: bytes
    created: datetime | None = None
    complexity: str = ""
    method: str = ""
    repeated: bool = False
    tests: str = ""


@dataclass(frozen=True, slots=True)
class Episode:
    """An episode with its steps, oldest first.

    Attributes:
        episode_id: Its id.
        task_id: Its task.
        run_id: The training run, or "".
        seed: Of its draws, if the client gave one.
        created: When it was opened.
        done: Whether it is over.
        category: The task's.
        difficulty: The task's.
        drawn: Whether "auto" drew the task at the level of the run's curriculum.
        options: How it is played.
        steps: What was graded.
    """

    episode_id: str
    task_id: str
    run_id: str
    seed: int | None
    created: datetime
    done: bool
    category: str = ""
    difficulty: str = ""
    drawn: bool = False
    options: Options = DEFAULTS
    steps: tuple[Step, ...] = ()

    @property
    def draw_seed(self) -> int:
        """What chooses the task's random inputs, the same in every step."""
        if self.seed is not None:
            return self.seed
        return int.from_bytes(hashlib.sha256(self.episode_id.encode()).digest()[:7], "big")

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


@dataclass(frozen=True, slots=True)
class Memory:
    """The best fix of a task that an owner knows.

    Attributes:
        owner: Whose; see `services.env.memories`.
        task_id: The task.
        fix: The fix.
        reward: Its absolute reward.
        complexity: Estimated time complexity, or "".
        episode_id: The episode that found it, or "".
        created: When it was found.
    """

    owner: str
    task_id: str
    fix: str
    reward: float
    complexity: str
    episode_id: str
    created: datetime


Advance = Callable[[str | None, float], tuple[str, str]]
"""From a run's stored curriculum (None: there is none) and an episode's reward to its level and what to store."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What else is written when a step ends its episode, or an episode is closed.

    Attributes:
        at: When.
        solved: Whether it was solved.
        advance: Moves the run's curriculum; None if the episode does not count there.
    """

    at: datetime
    solved: bool = False
    advance: Advance | None = None


def _same_text(left: str, right: str) -> bool:
    return [line.rstrip() for line in left.strip().splitlines()] == [
        line.rstrip() for line in right.strip().splitlines()
    ]


class Store(Protocol):
    """Durable episodes. Every method may raise `StoreDown`; what it was to change is then unchanged.

    Several processes may share one. What they must not do at the same time, a claim on the episode decides: it is held
    by at most one at a time, and is lost to others only when nothing was heard of its holder for too long. Whoever has
    lost it cannot write.
    """

    async def start(self) -> None:
        """Opens the store and brings it to the newest schema. Raises NewerSchema if it is newer than that."""
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

    async def claim(self, episode_id: str, holder: str, seconds: float) -> Episode:
        """Takes an episode's claim for a time and returns the episode. Raises UnknownEpisode or Claimed."""
        ...

    async def renew(self, episode_id: str, holder: str, seconds: float) -> bool:
        """Holds a claim for longer. Returns whether it is still held."""
        ...

    async def release(self, episode_id: str, holder: str) -> None:
        """Gives a claim back; does nothing if it is not held."""
        ...

    async def add_step(
        self, episode_id: str, holder: str, step: Step, ending: Ending | None = None, memory: Memory | None = None
    ) -> None:
        """Appends a step, all or nothing, and gives the claim back.

        Args:
            episode_id: The episode.
            holder: Who holds its claim.
            step: The step.
            ending: If it was the last one.
            memory: Kept if it is better than what its owner knows.

        Raises:
            Conflict: The claim is lost, number or request_id is taken, or the episode is done.
        """
        ...

    async def close(self, episode_id: str, ending: Ending) -> Episode | None:
        """Marks an episode as done. Returns it, or None if it was done before. Raises UnknownEpisode."""
        ...

    async def count_open(self) -> int:
        """Returns how many episodes are not done."""
        ...

    async def prune(self, older_than: datetime, keep: int, batch: int) -> int:
        """Removes at most `batch` episodes: those opened before a time, and the oldest of more than `keep`.

        Returns:
            How many were removed.
        """
        ...
