"""From the SDK's models to what the gateway says."""

from __future__ import annotations

from codearena import Complexity, EpisodeState, Memory, Observation, RewardBreakdown, StepResult, Task, Violations
from services.gateway.bodies import TaskDetail, TaskSummary
from services.gateway.models import (
    AttemptReport,
    CodeArenaObservation,
    CodeArenaState,
    ComplexityReport,
    MemoryReport,
    RewardBreakdownReport,
    TestReport,
    VisibleTestReport,
)


def observed(
    episode_id: str, task: Task, observation: Observation, step: StepResult | None = None, *, done: bool = False
) -> CodeArenaObservation:
    """Returns what the agent sees; after a step with its grade."""
    seen = CodeArenaObservation(
        episode_id=episode_id,
        task_id=task.task_id,
        title=task.title,
        description=observation.description,
        category=task.category,
        difficulty=task.difficulty.lower(),
        function_name=task.function_name,
        buggy_code=observation.buggy_code,
        modules=dict(observation.modules),
        error_log=observation.error_log,
        test_results=[_test(result) for result in observation.test_results],
        visible_tests=_visible(task),
        hidden_test_count=task.hidden_test_count,
        previous_attempts=[
            AttemptReport(
                step=attempt.step,
                proposed_fix=attempt.proposed_fix,
                reward=attempt.reward,
                outcome=attempt.outcome.lower(),
                tests_passed=attempt.tests_passed,
            )
            for attempt in observation.previous_attempts
        ],
        hint=observation.hint,
        regression=observation.regression,
        best_known=None if observation.best_known is None else remembered(observation.best_known),
        step=observation.step,
        max_steps=observation.max_steps,
        tests_total=len(task.visible_tests) + task.hidden_test_count,
        done=done,
    )
    if step is None:
        _recall(seen)
        return seen
    grade = step.grade
    seen.tests_passed, seen.tests_total = grade.tests_passed, grade.tests_total
    seen.outcome = grade.outcome.lower()
    seen.reward_breakdown = broken_down(grade.breakdown)
    seen.judge_source = grade.judge_source.lower()
    seen.complexity = complexity(grade.complexity)
    seen.violations = violations(grade.violations)
    seen.reward, seen.done = grade.reward, step.done
    return seen


def _recall(seen: CodeArenaObservation) -> None:
    """Says of an episode that is resumed what its last attempt came to."""
    if seen.previous_attempts:
        last = seen.previous_attempts[-1]
        seen.outcome, seen.tests_passed, seen.reward = last.outcome, last.tests_passed, last.reward


def _test(result: object) -> TestReport:
    report = TestReport.model_validate(result, from_attributes=True)
    report.outcome = report.outcome.lower()
    return report


def summarised(task: Task) -> TaskSummary:
    """Returns a task for a list."""
    return TaskSummary(
        task_id=task.task_id,
        title=task.title,
        category=task.category,
        difficulty=task.difficulty.lower(),
        function_name=task.function_name,
        hidden_test_count=task.hidden_test_count,
        split=task.split,
    )


def detailed(task: Task) -> TaskDetail:
    """Returns a task as an agent may see it."""
    return TaskDetail(
        **summarised(task).model_dump(),
        description=task.description,
        buggy_code=task.buggy_code,
        modules=dict(task.modules),
        visible_tests=_visible(task),
    )


def _visible(task: Task) -> list[VisibleTestReport]:
    return [VisibleTestReport(name=test.name, call=test.call, expected=test.expected) for test in task.visible_tests]


def state(found: EpisodeState, task: Task) -> CodeArenaState:
    """Returns an episode as the arena has it."""
    seen = observed(found.episode_id, task, found.observation, done=found.done)
    return state_of(seen, found.run_id, found.best_reward)


def state_of(seen: CodeArenaObservation, run_id: str, best_reward: float | None) -> CodeArenaState:
    """Returns an episode of which this was seen last."""
    return CodeArenaState(
        episode_id=seen.episode_id,
        step_count=seen.step,
        task_id=seen.task_id,
        difficulty=seen.difficulty,
        run_id=run_id,
        done=seen.done,
        best_reward=best_reward,
        max_steps=seen.max_steps,
        observation=seen,
    )


def remembered(memory: Memory) -> MemoryReport:
    """Returns a memory."""
    return MemoryReport.model_validate(memory, from_attributes=True)


def broken_down(breakdown: RewardBreakdown) -> RewardBreakdownReport:
    """Returns how a reward came about."""
    return RewardBreakdownReport(
        components=dict(breakdown.scores),
        weights=dict(breakdown.weights),
        penalties=dict(breakdown.penalties),
        contributions=dict(breakdown.contributions),
        reasons=dict(breakdown.reasons),
        profile=breakdown.profile,
    )


def complexity(found: Complexity) -> ComplexityReport | None:
    """Returns what is known of a program's complexity; None if nothing."""
    if not found.time_complexity:
        return None
    return ComplexityReport(time=found.time_complexity, best=found.best_complexity, problem_type=found.problem_type)


def violations(found: Violations) -> list[str]:
    """Returns what a program tried, in words."""
    said = [f"refused system call: {name}" for name in found.refused_syscalls]
    if found.early_exit:
        said.append("it ended before it had answered")
    if found.tampered_frame_count:
        said.append("it wrote to the channel of results")
    if found.surviving_process_count:
        said.append(f"it left {found.surviving_process_count} processes")
    if found.output_flood:
        said.append("it wrote more than is kept")
    return said
