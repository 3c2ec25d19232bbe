"""Between the judge's own types and the contract's messages."""

from __future__ import annotations

import grpc

from codearena.v1 import core_pb2 as core
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import judge_service_pb2 as wire
from services.common.errors import StatusError, invalid, unavailable
from services.common.limited import FailureKind, WorkerFailed
from services.common.validation import MAX_SOURCE_BYTES, check_source, check_text
from services.judge.llm_fixer import Proposal, Request
from services.judge.opinion import Opinion, Source, Subject

MAX_ATTEMPTS = 20
MAX_TEXT_BYTES = 1024 * 1024
_RETRY_SECONDS = 1.0
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
    return Subject(request.code, request.description, request.buggy_code, request.reference_code)


def judge_response(opinion: Opinion) -> wire.JudgeResponse:
    """Returns an opinion as it is sent."""
    return wire.JudgeResponse(
        correctness=opinion.correctness,
        security=opinion.security,
        quality=opinion.quality,
        correctness_reason=opinion.correctness_reason,
        security_reason=opinion.security_reason,
        quality_reason=opinion.quality_reason,
        source=_SOURCES[opinion.source],
        model=opinion.model,
        fallback_reason=opinion.fallback_reason,
        prompt_digest=opinion.prompt_digest,
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
    return Request(
        code=request.code,
        error_log=request.error_log,
        description=request.description,
        previous_attempts=tuple(request.previous_attempts),
        last_reward=request.last_reward if request.HasField("last_reward") else None,
    )


def fix_response(proposal: Proposal) -> wire.JudgeServiceProposeFixResponse:
    """Returns a proposal as it is sent."""
    return wire.JudgeServiceProposeFixResponse(
        code=proposal.code, method=proposal.method, explanations=proposal.explanations
    )


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
