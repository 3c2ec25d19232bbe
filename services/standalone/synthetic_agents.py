"""Synthetic agents that the curriculum can be tried on: a skill that changes, and tasks that demand one. Pure.

The chance to solve a task in an episode is logistic in what skill and demand differ by, as in the Rasch model of tests:
p = 1 / (1 + exp(demand - skill)). Each of the episode's five steps has the same chance, 1 - (1 - p) ^ (1 / 5). The
reward is that of the last step by the arena's own formula: with all scores 1 once solved, and otherwise with a test
pass ratio drawn evenly between 0 and p, since an agent that can do less passes fewer tests.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from services.env.rewards import COMPONENTS, PROFILES, Score, reward
from services.env.task_schema import Difficulty

MAX_STEPS: Final = 5
DEMANDS: Final = dict(zip(Difficulty, (0.0, 1.5, 3.0, 4.5), strict=True))
"""Skill at which an agent solves half of a level's episodes."""

_CATEGORIES = {"algorithms": 6, "type_errors": 2}
_SPREAD = 0.5
_SOLVED = {name: Score(1.0, "solved") for name in COMPONENTS}


@dataclass(frozen=True, slots=True)
class SyntheticTask:
    """A task that is nothing but a demand on skill.

    Attributes:
        id: Its id.
        category: One of two of different size.
        difficulty: Its level.
        demand: Skill at which it is solved half of the times.
    """

    id: str
    category: str
    difficulty: Difficulty
    demand: float


@dataclass(frozen=True, slots=True)
class Agent:
    """A synthetic agent.

    Attributes:
        name: What it does, in one word.
        story: What it does, in one sentence.
        course: Points of (share of the run from 0 to 1, skill), in order; the skill is linear between them.
    """

    name: str
    story: str
    course: tuple[tuple[float, float], ...]

    def skill(self, progress: float) -> float:
        """Returns its skill after a share of the run from 0 to 1."""
        for (start, low), (end, high) in pairwise(self.course):
            if progress <= end:
                return low + (high - low) * (progress - start) / (end - start)
        return self.course[-1][1]


AGENTS: Final = (
    Agent("improves", "its skill grows all along", ((0.0, -1.0), (1.0, 7.0))),
    Agent("plateaus", "its skill grows, then stays a little below hard", ((0.0, -1.0), (0.4, 2.8), (1.0, 2.8))),
    Agent(
        "collapses",
        "its skill grows to that of hard, then is lost",
        ((0.0, -1.0), (0.5, 3.5), (0.6, -3.0), (1.0, -3.0)),
    ),
)


@dataclass(frozen=True, slots=True)
class Attempt:
    """An episode: its reward in [0.001, 0.999], and whether it solved the task."""

    reward: float
    solved: bool


def synthetic_tasks(levels: Iterable[Difficulty] = Difficulty) -> tuple[SyntheticTask, ...]:
    """Returns a few tasks of each level, in two categories; their demands spread by half a point to either side."""
    return tuple(
        SyntheticTask(f"{level}-{category}-{number + 1}", category, level, DEMANDS[level] + _offset(number, size))
        for level in levels
        for category, size in _CATEGORIES.items()
        for number in range(size)
    )


def solve_chance(skill: float, demand: float) -> float:
    """Returns the chance that an episode solves a task."""
    return 1 / (1 + math.exp(demand - skill))


def attempt(skill: float, demand: float, source: random.Random) -> Attempt:
    """Plays an episode of at most five steps.

    Args:
        skill: The agent's.
        demand: The task's.
        source: Of all chance.
    """
    chance = solve_chance(skill, demand)
    each_step = 1 - (1 - chance) ** (1 / MAX_STEPS)
    for step in range(1, MAX_STEPS + 1):
        if source.random() < each_step:
            return Attempt(_reward(_SOLVED, step), solved=True)
    return Attempt(_reward(_unsolved(chance * source.random()), MAX_STEPS), solved=False)


def _unsolved(pass_ratio: float) -> dict[str, Score]:
    values = (1.0, pass_ratio, 0.0, pass_ratio, 1.0, 0.5)
    return {name: Score(value, "not solved") for name, value in zip(COMPONENTS, values, strict=True)}


def _reward(scores: dict[str, Score], step: int) -> float:
    return reward(scores, step=step, repeated=False, profile=PROFILES["default"]).value


def _offset(number: int, size: int) -> float:
    return _SPREAD * (2 * number / (size - 1) - 1)
