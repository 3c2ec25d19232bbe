"""Where protobuf messages become models; those of training runs do in `_run_convert`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from codearena import _enums as e
from codearena import _judge_models as j
from codearena import _models as m
from codearena._errors import ArenaError, ErrorReason, InternalError
from codearena._run_models import Memory
from codearena._status import error_from_item
from codearena.v1 import core_pb2, env_service_pb2, error_reason_pb2

_E = TypeVar("_E", bound=StrEnum)
_V = TypeVar("_V")


class _ProtoEnum(Protocol):
    def Value(self, name: str) -> int: ...  # noqa: N802 - protobuf's name


def _numbers(kind: type[_E], proto: _ProtoEnum, prefix: str) -> Mapping[int, _E]:
    return {proto.Value(prefix + member.name): member for member in kind}


_OUTCOMES = _numbers(e.Outcome, core_pb2.Outcome, "OUTCOME_")
_DIFFICULTIES = _numbers(e.Difficulty, core_pb2.Difficulty, "DIFFICULTY_")
_JUDGES = _numbers(e.JudgeSource, core_pb2.JudgeSource, "JUDGE_SOURCE_")
_BACKENDS = _numbers(e.SandboxBackend, core_pb2.SandboxBackend, "SANDBOX_BACKEND_")
_REASONS: Mapping[int, str] = {
    error_reason_pb2.ErrorReason.Value("ERROR_REASON_" + reason.name): reason.value for reason in ErrorReason
}
_SERVING = dict(enumerate(e.ServingStatus))


def outcome(number: int) -> e.Outcome:
    """Returns the outcome of a wire number."""
    return _OUTCOMES.get(number, e.Outcome.UNSPECIFIED)


def difficulty(number: int) -> e.Difficulty:
    """Returns the difficulty of a wire number."""
    return _DIFFICULTIES.get(number, e.Difficulty.UNSPECIFIED)


def serving_status(number: int) -> e.ServingStatus:
    """Returns the health of a wire number of `grpc.health.v1`."""
    return _SERVING.get(number, e.ServingStatus.UNKNOWN)


def seconds(duration: Duration) -> float:
    """Returns a duration as float seconds."""
    return duration.seconds + duration.nanos / 1e9


def moment(timestamp: Timestamp) -> datetime:
    """Returns a time, in UTC.

    Raises:
        InternalError: It is none that Python can hold.
    """
    try:
        return timestamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InternalError(f"the arena's answer holds an impossible time: {error}") from error


def item_error(pb: core_pb2.ItemError) -> ArenaError:
    """Returns why an item of a stream has no result."""
    return error_from_item(pb.code, pb.message, _REASONS.get(pb.reason, ""))


def task(pb: env_service_pb2.Task) -> m.Task:
    """Converts a task."""
    return m.Task(
        task_id=pb.task_id,
        title=pb.title,
        description=pb.description,
        category=pb.category,
        difficulty=difficulty(pb.difficulty),
        buggy_code=pb.buggy_code,
        function_name=pb.function_name,
        visible_tests=tuple(m.VisibleTest(test.name, test.call, test.expected) for test in pb.visible_tests),
        hidden_test_count=pb.hidden_test_count,
        modules=dict(pb.modules),
        split=pb.split,
    )


def test_result(pb: core_pb2.TestResult) -> m.TestResult:
    """Converts the result of one test."""
    return m.TestResult(
        name=pb.name,
        passed=pb.passed,
        hidden=pb.hidden,
        call=pb.call,
        expected=pb.expected,
        actual=pb.actual,
        outcome=outcome(pb.outcome),
        cpu_seconds=seconds(pb.cpu_time),
    )


def observation(pb: env_service_pb2.Observation) -> m.Observation:
    """Converts an observation."""
    return m.Observation(
        buggy_code=pb.buggy_code,
        error_log=pb.error_log,
        test_results=tuple(map(test_result, pb.test_results)),
        previous_attempts=tuple(
            m.Attempt(a.step, a.proposed_fix, a.reward, outcome(a.outcome), a.passed_test_count)
            for a in pb.previous_attempts
        ),
        hint=pb.hint,
        step=pb.step,
        max_steps=pb.max_steps,
        description=pb.description,
        regression=pb.regression,
        best_known=memory(pb.best_known) if pb.HasField("best_known") else None,
        modules=dict(pb.modules),
    )


def memory(pb: env_service_pb2.Memory) -> Memory:
    """Converts the best fix of a task."""
    return Memory(
        task_id=pb.task_id,
        code=pb.code,
        reward=pb.reward,
        time_complexity=pb.time_complexity,
        episode_id=pb.episode_id,
        created_at=moment(pb.create_time) if pb.HasField("create_time") else None,
    )


def breakdown(pb: core_pb2.RewardBreakdown) -> m.RewardBreakdown:
    """Converts the parts of a reward."""
    return m.RewardBreakdown(
        scores=_ordered(pb.scores),
        weights=_ordered(pb.weights),
        penalties=_ordered(pb.penalties),
        profile=pb.profile,
        reasons=_ordered(pb.reasons),
        contributions=_ordered(pb.contributions),
    )


def violations(pb: core_pb2.Violations) -> m.Violations:
    """Converts what a program tried."""
    return m.Violations(
        early_exit=pb.early_exit,
        tampered_frame_count=pb.tampered_frame_count,
        refused_syscalls=tuple(pb.refused_syscalls),
        refused_syscall_count=pb.refused_syscall_count,
        surviving_process_count=pb.surviving_process_count,
        output_flood=pb.output_flood,
    )


def usage(pb: core_pb2.ResourceUsage) -> m.ResourceUsage:
    """Converts what a program used."""
    return m.ResourceUsage(seconds(pb.cpu_time), seconds(pb.wall_time), pb.peak_memory_bytes)


def complexity(pb: core_pb2.ComplexityEstimate) -> m.Complexity:
    """Converts a complexity estimate."""
    return m.Complexity(pb.problem_type, pb.time_complexity, pb.best_complexity)


def efficiency(pb: core_pb2.EfficiencyReport) -> m.Efficiency:
    """Converts an efficiency report."""
    return m.Efficiency(
        score=pb.score,
        growth_exponent=pb.growth_exponent if pb.HasField("growth_exponent") else None,
        reference_growth_exponent=(pb.reference_growth_exponent if pb.HasField("reference_growth_exponent") else None),
        cpu_ratio=pb.cpu_ratio if pb.HasField("cpu_ratio") else None,
        reason=pb.reason,
        largest_size=pb.largest_size,
    )


def model_usage(pb: core_pb2.ModelUsage) -> j.ModelUsage:
    """Converts what models cost."""
    return j.ModelUsage(pb.prompt_tokens, pb.completion_tokens, pb.cost_usd)


def provenance(pb: core_pb2.JudgeProvenance) -> j.JudgeProvenance:
    """Converts where scores come from."""
    return j.JudgeProvenance(
        source=_JUDGES.get(pb.source, e.JudgeSource.UNSPECIFIED),
        model=pb.model,
        fallback_reason=pb.fallback_reason,
        prompt_digest=pb.prompt_digest,
        answer_count=pb.answer_count,
        spread=pb.spread,
        usage=model_usage(pb.usage),
    )


def review(response: env_service_pb2.ReviewFixResponse) -> j.Review:
    """Converts a judge's opinion.

    Raises:
        InternalError: The response holds none; it must not be read as scores of 0.
    """
    if not response.HasField("opinion"):
        raise InternalError("the arena's answer holds no opinion")
    pb = response.opinion
    return j.Review(
        correctness=pb.correctness if pb.HasField("correctness") else None,
        security=pb.security,
        quality=pb.quality,
        correctness_reason=pb.correctness_reason,
        security_reason=pb.security_reason,
        quality_reason=pb.quality_reason,
        provenance=provenance(pb.provenance),
    )


def grade(pb: env_service_pb2.Grade) -> m.Grade:
    """Converts a grade."""
    return m.Grade(
        reward=pb.reward,
        breakdown=breakdown(pb.breakdown),
        outcome=outcome(pb.outcome),
        tests_passed=pb.passed_test_count,
        tests_total=pb.total_test_count,
        error_log=pb.error_log,
        test_results=tuple(map(test_result, pb.test_results)),
        judge_source=_JUDGES.get(pb.judge_source, e.JudgeSource.UNSPECIFIED),
        violations=violations(pb.violations),
        usage=usage(pb.usage),
        backend=_BACKENDS.get(pb.backend, e.SandboxBackend.UNSPECIFIED),
        complexity=complexity(pb.complexity),
        efficiency=efficiency(pb.efficiency) if pb.HasField("efficiency") else None,
        cached=pb.cached,
        judge=provenance(pb.judge),
    )


def step_result(pb: env_service_pb2.StepResponse) -> m.StepResult:
    """Converts what a step led to.

    Raises:
        InternalError: The response holds no grade; it must not be read as a reward of 0.
    """
    return m.StepResult(
        observation=observation(pb.observation),
        grade=_present(pb, pb.grade),
        done=pb.done,
        replayed=pb.replayed,
        # An arena that does not say knows no other reward than the absolute one.
        absolute_reward=pb.absolute_reward or pb.grade.reward,
    )


def graded(pb: env_service_pb2.GradeResponse) -> m.Grade:
    """Converts the response of Grade.

    Raises:
        InternalError: The response holds no grade.
    """
    return _present(pb, pb.grade)


def group_item(pb: env_service_pb2.GradeGroupResponse) -> tuple[int, m.Grade | ArenaError]:
    """Converts one item of a group: its index, and its grade or why there is none."""
    if pb.WhichOneof("result") == "grade":
        return pb.index, grade(pb.grade)
    return pb.index, item_error(pb.error)


def stream_item(pb: env_service_pb2.StepStreamResponse) -> m.StepResult | ArenaError:
    """Converts what became of one step of a stream: its result, or why there is none."""
    if pb.WhichOneof("result") != "response":
        return item_error(pb.error)
    try:
        return step_result(pb.response)
    except InternalError as error:  # of this step alone
        return error


def episode_state(pb: env_service_pb2.GetStateResponse) -> m.EpisodeState:
    """Converts an episode as it stands."""
    return m.EpisodeState(
        episode_id=pb.episode_id,
        task_id=pb.task_id,
        difficulty=difficulty(pb.difficulty),
        run_id=pb.run_id,
        done=pb.done,
        best_reward=pb.best_reward if pb.HasField("best_reward") else None,
        observation=observation(pb.observation),
        created_at=moment(pb.create_time),
    )


def proposal(pb: env_service_pb2.ProposeFixResponse) -> j.Proposal:
    """Converts a proposed repair."""
    return j.Proposal(
        code=pb.code,
        method=pb.method,
        explanations=tuple(pb.explanations),
        attempts=tuple(j.ProviderAttempt(a.provider, a.model, a.outcome, seconds(a.duration)) for a in pb.attempts),
        diff=pb.diff,
        usage=model_usage(pb.usage),
    )


def run_result(pb: env_service_pb2.RunCodeResponse) -> m.RunResult:
    """Converts what a script did."""
    return m.RunResult(
        outcome=outcome(pb.outcome),
        stdout=pb.stdout,
        stderr=pb.stderr,
        exit_code=pb.exit_code if pb.HasField("exit_code") else None,
        usage=usage(pb.usage),
        violations=violations(pb.violations),
        complexity=complexity(pb.complexity),
    )


def _ordered(parts: Mapping[str, _V]) -> dict[str, _V]:
    """Returns the parts of a reward in the order in which they are named everywhere; the wire has none."""
    known = {name: parts[name] for name in (*m.REWARD_COMPONENTS, *m.REWARD_PENALTIES) if name in parts}
    return known | {name: parts[name] for name in sorted(parts) if name not in known}


def _present(
    response: env_service_pb2.StepResponse | env_service_pb2.GradeResponse, pb: env_service_pb2.Grade
) -> m.Grade:
    if not response.HasField("grade"):
        raise InternalError("the arena's answer holds no grade")
    return grade(pb)
