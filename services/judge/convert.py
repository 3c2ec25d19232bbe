"""Between the judge's own types and the contract's messages."""

from __future__ import annotations

import grpc
from google.protobuf.duration_pb2 import Duration

from codearena.v1 import core_pb2 as core
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import judge_service_pb2 as wire
from services.common.errors import StatusError, invalid, unavailable
from services.common.limited import FailureKind, WorkerFailed
from services.common.validation import MAX_SOURCE_BYTES, check_id, check_source, check_text
from services.judge.failure import FailureReason, ModelFailed
from services.judge.opinion import Opinion, Source, Subject
from services.judge.proposal import Attempt, Proposal, Request
from services.judge.question import Usage

MAX_ATTEMPTS = 20
MAX_TEXT_BYTES = 1024 * 1024
_RETRY_SECONDS = 1.0
_BUDGET_SECONDS = 60.0
_NANOSECONDS = 1_000_000_000
_SOURCES = {Source.LLM: core.JUDGE_SOURCE_LLM, Source.STATIC: core.JUDGE_SOURCE_STATIC}


def subject(request: wire.JudgeRequest) -> Subject:
    """Returns what to judge.

    Raises:
        StatusError: The request is malformed.
    """
    check_source(request.code, "code")
    check_text(request.description, "description", MAX_TEXT_BYTES)
    check_text(request.buggy_code, "buggy_code", MAX_SOURCE_BYTES)
    check_text(request.reference_code, "reference_code", MAX_SOURCE_BYTES)
    check_id(request.run_id, "run_id", required=False)
    return Subject(request.code, request.description, request.buggy_code, request.reference_code, request.run_id)


def judge_response(opinion: Opinion) -> wire.JudgeResponse:
    """Returns an opinion as it is sent."""
    return wire.JudgeResponse(opinion=_opinion(opinion))


def _opinion(opinion: Opinion) -> core.Opinion:
    return core.Opinion(
        correctness=opinion.correctness,
        security=opinion.security,
        quality=opinion.quality,
        correctness_reason=opinion.correctness_reason,
        security_reason=opinion.security_reason,
        quality_reason=opinion.quality_reason,
        provenance=core.JudgeProvenance(
            source=_SOURCES[opinion.source],
            model=opinion.model,
            fallback_reason=opinion.fallback_reason,
            prompt_digest=opinion.prompt_digest,
            answer_count=opinion.answer_count,
            spread=opinion.spread,
            usage=_usage(opinion.usage),
        ),
    )


def fix_request(request: wire.JudgeServiceProposeFixRequest) -> Request:
    """Returns what to repair.

    Raises:
        StatusError: The request is malformed.
    """
    check_source(request.code, "code")
    check_text(request.error_log, "error_log", MAX_TEXT_BYTES)
    check_text(request.description, "description", MAX_TEXT_BYTES)
    if len(request.previous_attempts) > MAX_ATTEMPTS:
        message = f"{len(request.previous_attempts)} attempts, at most {MAX_ATTEMPTS} are allowed"
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "previous_attempts", message)
    for attempt in request.previous_attempts:
        check_text(attempt, "previous_attempts", MAX_SOURCE_BYTES)
    if request.HasField("last_reward") and not 0.0 <= request.last_reward <= 1.0:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "last_reward", "must lie in [0, 1]")
    check_id(request.run_id, "run_id", required=False)
    check_text(request.best_known_code, "best_known_code", MAX_SOURCE_BYTES)
    if not 0.0 <= request.best_known_reward <= 1.0:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "best_known_reward", "must lie in [0, 1]")
    return Request(
        code=request.code,
        error_log=request.error_log,
        description=request.description,
        previous_attempts=tuple(request.previous_attempts),
        last_reward=request.last_reward if request.HasField("last_reward") else None,
        run_id=request.run_id,
        best_known_code=request.best_known_code,
        best_known_reward=request.best_known_reward,
    )


def fix_response(proposal: Proposal) -> wire.JudgeServiceProposeFixResponse:
    """Returns a proposal as it is sent."""
    return wire.JudgeServiceProposeFixResponse(
        code=proposal.code,
        method=proposal.method,
        explanations=proposal.explanations,
        attempts=map(_attempt, proposal.attempts),
        diff=proposal.diff,
        usage=_usage(proposal.usage),
    )


def _attempt(attempt: Attempt) -> core.ProviderAttempt:
    duration = Duration()
    duration.FromNanoseconds(round(attempt.seconds * _NANOSECONDS))
    return core.ProviderAttempt(
        provider=attempt.provider, model=attempt.model, outcome=attempt.outcome, duration=duration
    )


def _usage(usage: Usage) -> core.ModelUsage:
    return core.ModelUsage(
        prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens, cost_usd=usage.cost_usd
    )


def status_of_model(error: ModelFailed) -> StatusError:
    """Returns the status of a model that has no answer where none other may be given."""
    message = f"the model gives no answer: {error.reason}; the judge is set not to answer in its place"
    match error.reason:
        case FailureReason.OVERLOADED:
            reason, seconds = reasons.ERROR_REASON_QUEUE_FULL, _RETRY_SECONDS
        case FailureReason.OVER_BUDGET:
            reason, seconds = reasons.ERROR_REASON_QUOTA_EXCEEDED, _BUDGET_SECONDS
        case _:
            return unavailable(reasons.ERROR_REASON_JUDGE_UNAVAILABLE, message)
    return StatusError(grpc.StatusCode.RESOURCE_EXHAUSTED, reason, message, retry_after_seconds=seconds)


def status_of(error: WorkerFailed) -> StatusError | None:
    """Returns the status of a failed worker; None if the failure is a mistake of ours."""
    if error.kind is FailureKind.ERROR:
        return None
    if error.kind is FailureKind.BUSY:
        return StatusError(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            reasons.ERROR_REASON_QUEUE_FULL,
            f"the judge has too much to do: {error.detail}",
            retry_after_seconds=_RETRY_SECONDS,
        )
    return unavailable(reasons.ERROR_REASON_JUDGE_UNAVAILABLE, f"the judge could not read the code: {error.detail}")
