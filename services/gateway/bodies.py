"""What the plain REST takes and answers."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from services.common.validation import MAX_ID_CHARACTERS, MAX_SOURCE_BYTES, MAX_STDIN_BYTES
from services.gateway.models import ComplexityReport, MemoryReport, VisibleTestReport


class Body(BaseModel):
    """A body of a request; a field that nobody knows is refused."""

    model_config = ConfigDict(extra="forbid")


class FixRequest(Body):
    """What is to be repaired: the last fix of an episode, or any code."""

    episode_id: str | None = Field(default=None, min_length=1, max_length=MAX_ID_CHARACTERS)
    code: str | None = Field(default=None, min_length=1, max_length=MAX_SOURCE_BYTES)
    error_log: str = Field(default="", max_length=MAX_SOURCE_BYTES, description="What went wrong with it.")
    description: str = Field(default="", max_length=MAX_SOURCE_BYTES, description="What it should do.")
    run_id: str = Field(default="", max_length=MAX_ID_CHARACTERS, description="Whose budget a model is paid from.")


class FixAnswer(BaseModel):
    """A proposed repair."""

    fixed_code: str = Field(description="The repaired code; the same as before if nothing was found.")
    method: str = Field(description="`builtin`, or the name of the model.")
    explanations: list[str]
    diff: str = Field(description="Unified diff; empty if nothing was found.")


class RunRequest(Body):
    """A script for the sandbox."""

    code: str = Field(min_length=1, max_length=MAX_SOURCE_BYTES)
    stdin: str = Field(default="", max_length=MAX_STDIN_BYTES)


class RunAnswer(BaseModel):
    """What a script did."""

    outcome: str
    stdout: str
    stderr: str
    exit_code: int | None = Field(description="Null if it was stopped, or ended by a signal.")
    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    complexity: ComplexityReport | None
    violations: list[str]


class Move(BaseModel):
    """A level of the curriculum was left."""

    model_config = ConfigDict(from_attributes=True)

    episode: int
    from_level: str
    to_level: str
    mean_reward: float
    reason: str


class CurriculumAnswer(BaseModel):
    """Where a training run stands."""

    level: str
    levels: list[str]
    window: list[float] = Field(description="Rewards of the last episodes, oldest first.")
    mean_reward: float | None
    episode_count: int
    moves: list[Move]
    explanation: str


class StatsLine(BaseModel):
    """One line of a table."""

    model_config = ConfigDict(from_attributes=True)

    key: str
    episode_count: int
    step_count: int
    mean_reward: float
    solve_rate: float | None
    mean_steps_to_solve: float | None
    repeat_rate: float


class StatsTable(BaseModel):
    """A table about the stored steps."""

    name: str
    rows: list[StatsLine]


class StatsAnswer(BaseModel):
    """Every table."""

    tables: list[StatsTable]


class MemoryAnswer(BaseModel):
    """The best fixes of a training run."""

    memories: list[MemoryReport]


class TaskSummary(BaseModel):
    """A task in a list."""

    task_id: str
    title: str
    category: str
    difficulty: str
    function_name: str
    hidden_test_count: int
    split: str


class TaskDetail(TaskSummary):
    """A task, as an agent may see it."""

    description: str
    buggy_code: str
    modules: dict[str, str]
    visible_tests: list[VisibleTestReport]


class TaskList(BaseModel):
    """Tasks, in the catalogue's order."""

    tasks: list[TaskSummary]
    truncated: bool = Field(description="Whether there are more; ask for a category or a split.")


class RunSummary(BaseModel):
    """A training run."""

    model_config = ConfigDict(from_attributes=True)

    run_id: str
    weight: float
    episode_count: int
    open_episode_count: int
    step_count: int
    mean_reward: float | None
    last_active_at: datetime | None


class RunList(BaseModel):
    """Training runs, the one that was active last first."""

    runs: list[RunSummary]


class StepPoint(BaseModel):
    """A step, without the fix."""

    model_config = ConfigDict(from_attributes=True)

    episode_id: str
    run_id: str
    task_id: str
    category: str
    difficulty: str
    step: int
    reward: float
    outcome: str
    tests_passed: int
    repeated: bool
    time_complexity: str
    method: str
    solved: bool
    created_at: datetime


class StepList(BaseModel):
    """Steps, oldest first."""

    steps: list[StepPoint]
    truncated: bool = Field(description="Whether there are more; ask again with the newest one's time.")
