"""What an arena answers, as frozen dataclasses.

Durations are float seconds and are named `_seconds`, sizes are integers and are named `_bytes`. All models can
be compared and pickled. What an arena keeps of training runs is in `_run_models`, what judge and fixer
answer in `_judge_models`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from codearena._enums import Difficulty, JudgeSource, Outcome, SandboxBackend
from codearena._judge_models import JudgeProvenance
from codearena._run_models import Memory

REWARD_COMPONENTS: Final = (
    "compile_score",
    "test_pass_ratio",
    "efficiency_score",
    "llm_correctness",
    "llm_security",
    "llm_quality",
)
REWARD_PENALTIES: Final = ("step_penalty", "repeat_penalty")


@dataclass(frozen=True, slots=True)
class VisibleTest:
    """A test that the agent may see.

    Attributes:
        name: Name within the task.
        call: The call, as a Python expression.
        expected: What is expected, as a Python literal, or "raises X".
    """

    name: str
    call: str
    expected: str


@dataclass(frozen=True, slots=True)
class Task:
    """A task of the catalogue, as an agent may see it.

    Attributes:
        task_id: Unique id, such as "hard-1".
        title: One line.
        description: What the code should do.
        category: Category, such as "security_bugs".
        difficulty: How hard it is.
        buggy_code: The code to repair.
        function_name: Name of the function under repair.
        visible_tests: The tests that are shown.
        hidden_test_count: How many further tests there are.
        modules: Further modules by name, which the code may import. They are not to be changed.
        split: What the task is for: "train", "validation" or "test". Empty if the arena does not say.
    """

    task_id: str
    title: str
    description: str
    category: str
    difficulty: Difficulty
    buggy_code: str
    function_name: str
    visible_tests: tuple[VisibleTest, ...]
    hidden_test_count: int
    modules: Mapping[str, str] = field(default_factory=dict, hash=False)
    split: str = ""


@dataclass(frozen=True, slots=True)
class TestResult:
    """The result of one test. A hidden test carries only its name, outcome and whether it passed.

    Attributes:
        name: Name within the task.
        passed: Whether the program gave the expected value or exception.
        hidden: Whether inputs and expectation are kept from the agent.
        call: The call, as a Python expression.
        expected: What was expected, as Python would print it.
        actual: What came back, as Python would print it, cut to 500 characters.
        outcome: How the test ended.
        cpu_seconds: CPU time of the call, all threads.
    """

    __test__: ClassVar[bool] = False  # not a test case, whatever pytest makes of the name

    name: str
    passed: bool
    hidden: bool
    call: str
    expected: str
    actual: str
    outcome: Outcome
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """An earlier attempt of an episode.

    Attributes:
        step: Step number, from 1.
        proposed_fix: The fix.
        reward: Its reward, in [0.001, 0.999].
        outcome: What became of it.
        tests_passed: How many tests it passed.
    """

    step: int
    proposed_fix: str
    reward: float
    outcome: Outcome
    tests_passed: int


@dataclass(frozen=True, slots=True)
class Observation:
    """What the agent sees.

    Attributes:
        buggy_code: The code to repair, as the task gives it.
        error_log: What went wrong: with the buggy code after a reset, with the last fix after a step.
        test_results: Of the last grading; empty after a reset.
        previous_attempts: Oldest first.
        hint: Advice for the next attempt; may be empty.
        step: Steps taken so far.
        max_steps: Steps that an episode may take.
        description: What the code should do.
        regression: What the last fix broke that an earlier one had passed; empty if nothing.
        best_known: The best fix that is known of this task. None unless the episode offers memory and there is one.
        modules: Further modules by name, which the code may import. They are not to be changed.
    """

    buggy_code: str
    error_log: str
    test_results: tuple[TestResult, ...]
    previous_attempts: tuple[Attempt, ...]
    hint: str
    step: int
    max_steps: int
    description: str
    regression: str = ""
    best_known: Memory | None = None
    modules: Mapping[str, str] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, eq=False)
class RewardBreakdown(Mapping[str, float]):
    """How a reward came about: a mapping from component name to score in [0, 1].

    The reward is the sum of weight times score over all components, minus the penalties, clamped to
    [0.001, 0.999]. The components are `compile_score`, `test_pass_ratio`, `efficiency_score`,
    `llm_correctness`, `llm_security` and `llm_quality`. Compares equal to any mapping with the same scores.

    Attributes:
        scores: Component to score; what the mapping itself shows.
        weights: Component to weight; they sum to 1.
        penalties: `step_penalty` and `repeat_penalty`, as positive numbers.
        profile: Name of the weight profile.
        reasons: Component to one sentence that says why it has its score.
        contributions: What each component (weight times score) and each penalty (negative) adds to the reward;
            their sum is the reward before it is clamped. Empty if the arena does not say.
    """

    scores: Mapping[str, float]
    weights: Mapping[str, float]
    penalties: Mapping[str, float]
    profile: str
    reasons: Mapping[str, str]
    contributions: Mapping[str, float] = field(default_factory=dict)

    def __getitem__(self, component: str) -> float:
        return self.scores[component]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True)
class Violations:
    """What a program tried that an honest one does not. Telemetry: alone it does not change the reward.

    Attributes:
        early_exit: The process ended before it had answered.
        tampered_frame_count: Frames on the result channel that the protocol does not allow.
        refused_syscalls: System calls that the sandbox refused, by name, sorted.
        refused_syscall_count: How many system calls it refused.
        surviving_process_count: Processes still alive when the program had ended; they were killed.
        output_flood: More output was written than is kept.
    """

    early_exit: bool
    tampered_frame_count: int
    refused_syscalls: tuple[str, ...]
    refused_syscall_count: int
    surviving_process_count: int
    output_flood: bool


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """What a program used, by the kernel's accounts.

    Attributes:
        cpu_seconds: User and system time of all its processes.
        wall_seconds: Elapsed time from load to the last answer.
        peak_memory_bytes: Peak resident memory of its largest process.
    """

    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True)
class Complexity:
    """What static analysis reads from a program's syntax tree.

    Attributes:
        problem_type: The problem it seems to solve; empty if not recognised.
        time_complexity: Estimated worst case, such as "O(n^2)"; empty if the source does not parse.
        best_complexity: The best known of the problem type; empty if not recognised.
    """

    problem_type: str
    time_complexity: str
    best_complexity: str


@dataclass(frozen=True, slots=True)
class Efficiency:
    """How the cost of a program grows, against the reference solution's.

    Attributes:
        score: In [0, 1]; 1 is as good as the reference solution.
        growth_exponent: Estimated exponent k of cost ~ n^k. None without growing inputs.
        reference_growth_exponent: The same of the reference solution, measured on the same node.
        cpu_ratio: CPU time divided by the reference's, at the largest size that both reached, or None.
        reason: One sentence that explains the score.
        largest_size: Largest input size reached within the budget. 0 without growing inputs.
    """

    score: float
    growth_exponent: float | None
    reference_growth_exponent: float | None
    cpu_ratio: float | None
    reason: str
    largest_size: int


@dataclass(frozen=True, slots=True)
class Grade:
    """A graded fix.

    Attributes:
        reward: In [0.001, 0.999]; under `RewardMode.IMPROVEMENT` in [0, 0.999].
        breakdown: How it came about.
        outcome: What became of the program.
        tests_passed: How many tests it passed, visible and hidden.
        tests_total: How many tests there are.
        error_log: What went wrong; empty if every test passed.
        test_results: One for each test, as the agent may see them.
        judge_source: Who judged.
        violations: What the program tried.
        usage: What it used.
        backend: Where it ran.
        complexity: Its complexity, as read from its source.
        efficiency: Its cost against the reference's; None unless every test passed.
        cached: Whether the tests' results are those of an equal program graded before.
        judge: Where the judge's scores come from.
    """

    reward: float
    breakdown: RewardBreakdown
    outcome: Outcome
    tests_passed: int
    tests_total: int
    error_log: str
    test_results: tuple[TestResult, ...]
    judge_source: JudgeSource
    violations: Violations
    usage: ResourceUsage
    backend: SandboxBackend
    complexity: Complexity
    efficiency: Efficiency | None
    cached: bool
    judge: JudgeProvenance


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step led to.

    Attributes:
        observation: What the agent sees next.
        grade: The grade of this fix; the properties below are taken from it.
        done: Whether the episode is over.
        replayed: True if this is the stored result of an earlier request with the same id.
        absolute_reward: The reward of the fix by itself, in [0.001, 0.999], whatever the reward mode.
    """

    observation: Observation
    grade: Grade
    done: bool
    replayed: bool
    absolute_reward: float

    @property
    def reward(self) -> float:
        """The reward, in [0.001, 0.999]; under `RewardMode.IMPROVEMENT` in [0, 0.999]."""
        return self.grade.reward

    @property
    def breakdown(self) -> RewardBreakdown:
        """How the reward came about."""
        return self.grade.breakdown

    @property
    def outcome(self) -> Outcome:
        """What became of the program."""
        return self.grade.outcome

    @property
    def tests_passed(self) -> int:
        """How many tests it passed, visible and hidden."""
        return self.grade.tests_passed

    @property
    def tests_total(self) -> int:
        """How many tests there are."""
        return self.grade.tests_total

    @property
    def error_log(self) -> str:
        """What went wrong; empty if every test passed."""
        return self.grade.error_log


@dataclass(frozen=True, slots=True)
class EpisodeState:
    """An episode, as it stands.

    Attributes:
        episode_id: Its id.
        task_id: Its task.
        difficulty: How hard the task is.
        run_id: The training run; may be empty.
        done: Whether it is over.
        best_reward: Highest reward of a step; None before the first one.
        observation: What the agent sees.
        created_at: When it was opened, in UTC.
    """

    episode_id: str
    task_id: str
    difficulty: Difficulty
    run_id: str
    done: bool
    best_reward: float | None
    observation: Observation
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a script did in the sandbox.

    Attributes:
        outcome: PASSED if it ended with status 0, else what became of it.
        stdout: What it printed, cut to 65536 bytes.
        stderr: What it printed to stderr, cut to 65536 bytes.
        exit_code: Exit status; None if it was stopped or ended by a signal.
        usage: What it used.
        violations: What it tried.
        complexity: Its complexity, as read from its source.
    """

    outcome: Outcome
    stdout: str
    stderr: str
    exit_code: int | None
    usage: ResourceUsage
    violations: Violations
    complexity: Complexity
