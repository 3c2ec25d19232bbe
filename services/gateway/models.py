"""What crosses OpenEnv's wire: action, observation and state.

Limits are field constraints, not validators: OpenEnv writes a failed constraint into an error frame and goes on, while
an exception of a validator cannot be written as JSON and ends the session.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from openenv.core.env_server import Action, Observation, State
from pydantic import BaseModel, Field

from services.common.validation import MAX_ID_CHARACTERS, MAX_SOURCE_BYTES

Reward = Annotated[float, Field(ge=0, le=1)]


class CodeArenaAction(Action):
    """One try: the whole program that shall replace the buggy one."""

    proposed_fix: str = Field(min_length=1, max_length=MAX_SOURCE_BYTES, description="Python source, whole and fixed.")
    request_id: str | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_ID_CHARACTERS,
        description="The same id again returns the stored result and grades nothing. Made up if left out.",
    )
    method: str = Field(
        default="", max_length=MAX_ID_CHARACTERS, description="Who or what made the fix, for statistics."
    )


class VisibleTestReport(BaseModel):
    """A test that the agent may see."""

    name: str
    call: str = Field(description="The call, as a Python expression.")
    expected: str = Field(description="What is expected, as a Python literal, or `raises X`.")


class TestReport(BaseModel):
    """The result of one test. A hidden one tells its name, outcome and whether it passed."""

    __test__ = False

    name: str
    passed: bool
    hidden: bool
    call: str
    expected: str
    actual: str
    outcome: str
    cpu_seconds: float


class AttemptReport(BaseModel):
    """An earlier attempt of the episode."""

    step: int = Field(ge=1)
    proposed_fix: str
    reward: Reward
    outcome: str
    tests_passed: int = Field(ge=0)


class RewardBreakdownReport(BaseModel):
    """How a reward came about: the sum of weight times component, minus the penalties, clamped."""

    components: dict[str, float] = Field(description="Component to score, in [0, 1].")
    weights: dict[str, float] = Field(description="Component to weight; they sum to 1.")
    penalties: dict[str, float] = Field(description="Penalty to what it takes off.")
    contributions: dict[str, float] = Field(description="What each component and penalty adds.")
    reasons: dict[str, str] = Field(description="Component to one sentence why.")
    profile: str = Field(description="Name of the weight profile.")


class ComplexityReport(BaseModel):
    """What static analysis reads from a program."""

    time: str = Field(description="Estimated worst case, such as `O(n^2)`; may be empty.")
    best: str = Field(description="The best known of the problem; may be empty.")
    problem_type: str = Field(description="The problem it seems to solve; may be empty.")


class MemoryReport(BaseModel):
    """The best fix of a task that a training run has found."""

    task_id: str
    code: str
    reward: float
    time_complexity: str
    episode_id: str
    created_at: datetime | None


class CodeArenaObservation(Observation):
    """What the agent sees; `reward` and `done` stand beside it on the wire."""

    episode_id: str = Field(default="", description="The episode; it can be resumed by this id.")
    task_id: str = ""
    title: str = ""
    description: str = Field(default="", description="What the code should do.")
    category: str = ""
    difficulty: str = Field(default="", description="easy, medium, hard or expert.")
    function_name: str = Field(default="", description="The function under repair.")
    buggy_code: str = Field(default="", description="The code to repair.")
    modules: dict[str, str] = Field(default_factory=dict, description="Modules that the code may import, by name.")
    error_log: str = Field(default="", description="What went wrong with the buggy code, or with the last fix.")
    test_results: list[TestReport] = Field(default_factory=list, description="Of the last grading.")
    tests_passed: int = Field(default=0, ge=0)
    tests_total: int = Field(default=0, ge=0)
    visible_tests: list[VisibleTestReport] = Field(default_factory=list)
    hidden_test_count: int = Field(default=0, ge=0)
    previous_attempts: list[AttemptReport] = Field(default_factory=list, description="Oldest first.")
    hint: str = Field(default="", description="Advice for the next attempt; may be empty.")
    regression: str = Field(default="", description="What the last fix broke; empty if nothing.")
    best_known: MemoryReport | None = Field(default=None, description="The best fix of the run, where it is offered.")
    step: int = Field(default=0, ge=0, description="Steps taken so far.")
    max_steps: int = Field(default=0, ge=0, description="Steps that the episode may take.")
    outcome: str | None = Field(default=None, description="What became of the last fix; null before the first one.")
    reward_breakdown: RewardBreakdownReport | None = Field(default=None, description="How the reward came about.")
    judge_source: str = Field(default="", description="llm or static; empty before the first step.")
    complexity: ComplexityReport | None = None
    violations: list[str] = Field(default_factory=list, description="What the program tried that honest ones do not.")


class CodeArenaState(State):
    """An episode as it stands."""

    task_id: str = ""
    difficulty: str = ""
    run_id: str = ""
    done: bool = False
    best_reward: float | None = Field(default=None, description="Highest reward of a step; null before the first.")
    max_steps: int = Field(default=0, ge=0)
    observation: CodeArenaObservation | None = Field(
        default=None, description="What the agent sees; null without an episode."
    )
