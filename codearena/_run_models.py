"""What an arena keeps of training runs, and a step of a stream, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from codearena._enums import Difficulty, Outcome
from codearena._errors import ArenaError


@dataclass(frozen=True, slots=True)
class StepCall:
    """A step to be sent over a stream.

    Attributes:
        episode_id: From `reset`.
        fix: Python source, 1 to 262144 bytes of UTF-8.
        request_id: Names this step: the same id again returns the stored result. Made here unless given, so that a
            step can be sent again after its stream broke off, and is never graded twice.
        method: Who or what made the fix, for the statistics, at most 64 characters.
    """

    episode_id: str
    fix: str
    request_id: str | None = None
    method: str = ""

    def __post_init__(self) -> None:
        if self.request_id is None:
            object.__setattr__(self, "request_id", uuid4().hex)


@dataclass(frozen=True, slots=True)
class Memory:
    """The best fix of a task that a training run, or a namespace shared by several, has found.

    Attributes:
        task_id: The task.
        code: The fix.
        reward: Its absolute reward, in [0.001, 0.999].
        time_complexity: Estimated worst case, such as "O(n)"; may be empty.
        episode_id: The episode that found it; empty if it was imported.
        created_at: When it was found, in UTC; None if that is not known.
    """

    task_id: str
    code: str
    reward: float
    time_complexity: str = ""
    episode_id: str = ""
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CurriculumMove:
    """A level of the curriculum was left.

    Attributes:
        episode: After how many episodes of the run that "auto" had drawn.
        from_level: The level that was left.
        to_level: The level that was entered.
        mean_reward: Mean reward of the window.
        reason: Why, in one sentence.
    """

    episode: int
    from_level: Difficulty
    to_level: Difficulty
    mean_reward: float
    reason: str


@dataclass(frozen=True, slots=True)
class Curriculum:
    """Where a training run stands in its curriculum.

    Attributes:
        level: The present level.
        levels: Those that have tasks, easiest first.
        window: Rewards of the episodes since the last move, oldest first, at most as many as the window holds.
        mean_reward: Their mean; None if there is none.
        episode_count: Episodes that were counted in all.
        moves: The last moves, oldest first.
        explanation: Where the run stands and what would move it, in one sentence.
    """

    level: Difficulty
    levels: tuple[Difficulty, ...]
    window: tuple[float, ...]
    mean_reward: float | None
    episode_count: int
    moves: tuple[CurriculumMove, ...]
    explanation: str


@dataclass(frozen=True, slots=True)
class StatsRow:
    """One line of a table.

    Attributes:
        key: What it is about, such as "hard-1" or "O(n)".
        episode_count: Episodes with at least one step.
        step_count: Their steps.
        mean_reward: Mean absolute reward of these steps.
        solve_rate: Part of the episodes that were solved. None where a row is about steps, not episodes.
        mean_steps_to_solve: Mean number of steps of those that were. None if there is none.
        repeat_rate: Part of the steps that repeated an earlier fix.
    """

    key: str
    episode_count: int
    step_count: int
    mean_reward: float
    solve_rate: float | None
    mean_steps_to_solve: float | None
    repeat_rate: float


@dataclass(frozen=True, slots=True)
class Run:
    """A training run.

    Attributes:
        run_id: Its id.
        weight: Its share of the executor's slots against that of others; 1 unless set.
        max_open_episodes: Episodes it may have open at once; 0 for any number.
        max_gradings_per_minute: Steps and gradings it may begin within a minute; 0 for any number.
        episode_count: Its episodes.
        open_episode_count: Those that are open.
        step_count: Its steps.
        mean_reward: Mean absolute reward of a step; None before the first one.
        last_active_at: When it last opened an episode or made a step, in UTC; None if it never did.
    """

    run_id: str
    weight: float
    max_open_episodes: int
    max_gradings_per_minute: int
    episode_count: int
    open_episode_count: int
    step_count: int
    mean_reward: float | None
    last_active_at: datetime | None


@dataclass(frozen=True, slots=True)
class RescoredStep:
    """What became of one step that was rescored.

    Attributes:
        episode_id: The episode.
        step: The step's number, from 1.
        task_id: The task.
        old_reward: The absolute reward that was stored.
        new_reward: The new one. None if there is none, for the reason in `error`.
        error: Why there is no new reward; None if there is one.
    """

    episode_id: str
    step: int
    task_id: str
    old_reward: float
    new_reward: float | None
    error: ArenaError | None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """A stored step.

    Attributes:
        episode_id: The episode.
        run_id: The training run; may be empty.
        task_id: The task.
        category: Its category.
        difficulty: Its difficulty.
        step: The step's number, from 1.
        reward: The absolute reward, in [0.001, 0.999].
        outcome: What became of the fix.
        tests_passed: How many tests it passed.
        repeated: Whether it repeated an earlier fix of the episode.
        time_complexity: Estimated worst case, such as "O(n)"; may be empty.
        method: Who or what made it; may be empty.
        solved: Whether the episode was solved.
        created_at: When it was stored, in UTC.
        proposed_fix: The fix.
    """

    episode_id: str
    run_id: str
    task_id: str
    category: str
    difficulty: Difficulty
    step: int
    reward: float
    outcome: Outcome
    tests_passed: int
    repeated: bool
    time_complexity: str
    method: str
    solved: bool
    created_at: datetime
    proposed_fix: str
